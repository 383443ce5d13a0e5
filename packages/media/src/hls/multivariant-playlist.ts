import {
  decimalInteger,
  enumeratedString,
  frameRate,
  marshalAttributes,
  quotedString,
} from './attribute-list.ts';
import type { Ratio } from './attribute-list.ts';
import { uriLine } from './uri-line.ts';

/** An alternative audio rendition: EXT-X-MEDIA of TYPE=AUDIO (M-3). */
export interface HlsAudioRendition {
  /** GROUP-ID: what variants refer to. */
  readonly groupId: string;
  /** NAME: unique in its group, shown to people. */
  readonly name: string;
  /** LANGUAGE: an RFC 5646 tag; `und` when it is not known. */
  readonly language: string;
  /** Number of audio channels, for CHANNELS. */
  readonly channelCount: number;
  /** At most one of a group; implies AUTOSELECT (M-3). */
  readonly isDefault: boolean;
  readonly isAutoselect: boolean;
  /** Media playlist; absent when the audio is in the variants' own segments. */
  readonly uri?: string;
  /** STABLE-RENDITION-ID. */
  readonly stableId?: string;
}

/** One EXT-X-STREAM-INF and the media playlist it leads to. */
export interface HlsVariant {
  readonly uri: string;
  /** BANDWIDTH: declared peak of the variant with its audio, in bits per second (M-1). */
  readonly bandwidthBps: number;
  /** AVERAGE-BANDWIDTH: declared average of the same, in bits per second. */
  readonly averageBandwidthBps: number;
  /** RFC 6381 codec strings of everything the variant needs, those of its audio group included (M-2). */
  readonly codecs: readonly string[];
  /** Absent for a variant without video. */
  readonly resolution?: { readonly width: number; readonly height: number };
  /** Absent for a variant without video, or with a rate that is not known. */
  readonly frameRate?: Ratio;
  /** VIDEO-RANGE; absent for a variant without video. */
  readonly videoRange?: 'SDR' | 'HLG' | 'PQ';
  /** GROUP-ID of its audio renditions. */
  readonly audioGroupId?: string;
  /** STABLE-VARIANT-ID. */
  readonly stableId?: string;
}

/** What a multivariant playlist says. */
export interface MultivariantPlaylistInput {
  readonly audioRenditions: readonly HlsAudioRendition[];
  /** In order of preference; at least one. */
  readonly variants: readonly HlsVariant[];
}

/**
 * Marshals a multivariant playlist; equal input gives equal bytes.
 *
 * Every segment starts with an IDR, so it has EXT-X-INDEPENDENT-SEGMENTS (H-11). Nothing in it needs an EXT-X-VERSION (H-12).
 * Throws `RangeError` for what cannot be written or contradicts M-3: no variant, a group that nobody defines, a name twice.
 */
export function marshalMultivariantPlaylist(input: MultivariantPlaylistInput): string {
  if (input.variants.length === 0) throw new RangeError('a multivariant playlist needs a variant');
  assertGroups(input);
  const lines = ['#EXTM3U', '#EXT-X-INDEPENDENT-SEGMENTS'];
  for (const rendition of input.audioRenditions) lines.push(`#EXT-X-MEDIA:${mediaAttributes(rendition)}`);
  // M-2: nothing needs to say so when all of it is SDR, which is what its absence means.
  const hasRange = input.variants.some(({ videoRange = 'SDR' }) => videoRange !== 'SDR');
  for (const variant of input.variants)
    lines.push(`#EXT-X-STREAM-INF:${variantAttributes(variant, hasRange)}`, uriLine(variant.uri));
  return `${lines.join('\n')}\n`;
}

function assertGroups({ audioRenditions, variants }: MultivariantPlaylistInput): void {
  const names = new Set<string>();
  const defaults = new Set<string>();
  for (const { groupId, name, isDefault } of audioRenditions) {
    const key = JSON.stringify([groupId, name]);
    if (names.has(key))
      throw new RangeError(`group ${JSON.stringify(groupId)} has two renditions named ${name}`);
    names.add(key);
    if (isDefault && defaults.has(groupId))
      throw new RangeError(`group ${JSON.stringify(groupId)} has two defaults`);
    if (isDefault) defaults.add(groupId);
  }
  for (const { audioGroupId } of variants) {
    const isKnown =
      audioGroupId === undefined || audioRenditions.some(({ groupId }) => groupId === audioGroupId);
    if (!isKnown) throw new RangeError(`no rendition is in the audio group ${JSON.stringify(audioGroupId)}`);
  }
}

function mediaAttributes(rendition: HlsAudioRendition): string {
  const { uri, stableId } = rendition;
  return marshalAttributes({
    TYPE: 'AUDIO',
    'GROUP-ID': quotedString(rendition.groupId),
    NAME: quotedString(rendition.name),
    LANGUAGE: quotedString(rendition.language),
    DEFAULT: rendition.isDefault ? 'YES' : 'NO',
    AUTOSELECT: rendition.isDefault || rendition.isAutoselect ? 'YES' : 'NO',
    CHANNELS: quotedString(decimalInteger(rendition.channelCount)),
    'STABLE-RENDITION-ID': stableId === undefined ? undefined : quotedString(stableId),
    URI: uri === undefined ? undefined : quotedString(uriLine(uri)),
  });
}

function variantAttributes(variant: HlsVariant, hasRange: boolean): string {
  const { resolution, audioGroupId, stableId } = variant;
  return marshalAttributes({
    BANDWIDTH: decimalInteger(variant.bandwidthBps),
    'AVERAGE-BANDWIDTH': decimalInteger(variant.averageBandwidthBps),
    CODECS: quotedString(variant.codecs.map(enumeratedString).join(',')),
    RESOLUTION:
      resolution === undefined
        ? undefined
        : `${decimalInteger(resolution.width)}x${decimalInteger(resolution.height)}`,
    'FRAME-RATE': variant.frameRate === undefined ? undefined : frameRate(variant.frameRate),
    'VIDEO-RANGE': hasRange ? variant.videoRange : undefined,
    AUDIO: audioGroupId === undefined ? undefined : quotedString(audioGroupId),
    // M-4: nothing carries captions. The attribute belongs to variants with video.
    'CLOSED-CAPTIONS': resolution === undefined ? undefined : 'NONE',
    'STABLE-VARIANT-ID': stableId === undefined ? undefined : quotedString(stableId),
  });
}
