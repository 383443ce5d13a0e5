import { hash } from 'node:crypto';

/** A body and all that is sent with it, made once and sent as it is. */
export interface Entity {
  /** What it is, for metrics. */
  readonly object: ObjectKind;
  readonly body: Buffer;
  /** A short body as a string of bytes (latin1): node:http sends one in a single write together with its headers. */
  readonly shortBody: string | undefined;
  /** Strong: a function of the bytes. */
  readonly etag: string;
  /** Headers of a 200, as name, value, name, value. */
  readonly headers: readonly string[];
  /** Headers of a 304. */
  readonly notModifiedHeaders: readonly string[];
  /** True when a part of it may be asked for. */
  readonly hasRanges: boolean;
}

/** The kinds of things under `/media`; the label of metrics. */
export const OBJECT_KINDS = [
  'playlist',
  'ts-playlist',
  'init',
  'segment',
  'part',
  'ts-segment',
  'none',
] as const;
export type ObjectKind = (typeof OBJECT_KINDS)[number];

/** O-3: any page may read, and may see what it takes to measure. */
export const CORS_HEADERS: readonly string[] = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  'Date, Age, Content-Length, Content-Range, ETag, Server-Timing',
  'Timing-Allow-Origin',
  '*',
];

const DIGEST_CHARACTERS = 22;
/** With its headers a body of this size still fits the buffer on the stack from which libuv writes a string at once (16 KiB). */
const MAX_SHORT_BODY_BYTES = 15 * 1024;

/** A strong ETag from the bytes, so that equal tags mean equal bytes on any replica. */
export function etagOf(body: Buffer, suffix = ''): string {
  return `"${hash('sha256', body, 'base64url').slice(0, DIGEST_CHARACTERS)}${suffix}"`;
}

/** Makes an entity. */
export function makeEntity(options: {
  readonly object: ObjectKind;
  readonly body: Buffer;
  readonly contentType: string;
  readonly cacheControl: string;
  readonly etag?: string;
  /** Extra headers of the 200 and the 304. */
  readonly variant?: readonly string[];
  /** Extra headers of the 200 only. */
  readonly extra?: readonly string[];
  readonly hasRanges: boolean;
}): Entity {
  const { object, body, hasRanges, variant = [], extra = [] } = options;
  const etag = options.etag ?? etagOf(body);
  const validators = ['ETag', etag, 'Cache-Control', options.cacheControl, ...variant, ...CORS_HEADERS];
  return {
    object,
    body,
    shortBody: body.length <= MAX_SHORT_BODY_BYTES ? body.toString('latin1') : undefined,
    etag,
    hasRanges,
    notModifiedHeaders: validators,
    headers: [
      'Content-Type',
      options.contentType,
      'Content-Length',
      String(body.length),
      ...(hasRanges ? ['Accept-Ranges', 'bytes'] : []),
      ...extra,
      ...validators,
    ],
  };
}

/** True when an If-None-Match header names the entity (RFC 9110 13.1.2: weak comparison). */
export function matchesAny(header: string, etag: string): boolean {
  if (header === etag || header === '*') return true;
  return header.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === etag);
}
