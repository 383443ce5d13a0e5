import { ServiceError } from '@millrace/runtime';
import type { Request } from 'express';
import type { PageRequest } from '../domain/channel-store.ts';

/** What a list answers: a page, and the cursor of the next one when there is one. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor?: string;
}

/** Reads `limit` and `cursor`, which the OpenAPI document has validated and coerced. Throws `PLAYLIST_API_CURSOR_INVALID`. */
export function pageRequestOf(request: Request): PageRequest {
  const { limit, cursor } = request.query as { limit?: number | string; cursor?: string };
  return {
    limit: Number(limit ?? 50),
    ...(cursor === undefined ? {} : { after: decodeCursor(cursor) }),
  };
}

/** Makes a page of what was listed with a limit one higher than the page's. */
export function pageOf<S, T>(
  listed: readonly S[],
  { limit }: PageRequest,
  keyOf: (item: S) => string,
  show: (item: S) => T,
): Page<T> {
  const items = listed.slice(0, limit);
  const last = items.at(-1);
  const cursor = listed.length > limit && last !== undefined ? encodeCursor(keyOf(last)) : undefined;
  return { items: items.map(show), ...(cursor === undefined ? {} : { nextCursor: cursor }) };
}

/** The stretch of a list in memory that a page asks for, and one more item if there is one. */
export function stretchOf<S>(
  all: readonly S[],
  { after, limit }: PageRequest,
  keyOf: (item: S) => string,
): readonly S[] {
  return all.filter((item) => after === undefined || keyOf(item) > after).slice(0, limit + 1);
}

function encodeCursor(key: string): string {
  return Buffer.from(key, 'utf8').toString('base64url');
}

function decodeCursor(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (encodeCursor(key) === cursor) return key;
  throw new ServiceError(
    'INVALID_ARGUMENT',
    'PLAYLIST_API_CURSOR_INVALID',
    'The cursor is not one that was given out: begin again without it.',
  );
}
