import { ByteReader } from '../byte-reader.ts';
import { ParseError } from '../parse-error.ts';

/** VideoPacketType of Enhanced RTMP v2. */
export const EX_VIDEO_PACKET = {
  configuration: 0,
  frames: 1,
  end: 2,
  framesX: 3,
  metadata: 4,
  multitrack: 6,
  modEx: 7,
} as const;

/** AudioPacketType of Enhanced RTMP v2. */
export const EX_AUDIO_PACKET = {
  configuration: 0,
  frames: 1,
  end: 2,
  multichannel: 4,
  multitrack: 5,
  modEx: 7,
} as const;

const CODEC_NAMES: ReadonlyMap<string, string> = new Map([
  ['hvc1', 'HEVC'],
  ['av01', 'AV1'],
  ['vp08', 'VP8'],
  ['vp09', 'VP9'],
  ['vvc1', 'VVC'],
  ['Opus', 'Opus'],
  ['fLaC', 'FLAC'],
  ['.mp3', 'MP3'],
  ['ac-3', 'AC-3'],
  ['ec-3', 'E-AC-3'],
]);
const MULTITRACK = { one: 0, many: 1, manyCodecs: 2 } as const;

/** The name people know a fourCC by; an unknown one is quoted. */
export function codecName(fourCc: string): string {
  return CODEC_NAMES.get(fourCc) ?? JSON.stringify(fourCc);
}

/** What an ex-header says, with a reader that stands behind it. */
export interface ExHeader {
  readonly packetType: number;
  /** FourCC. */
  readonly codec: string;
  readonly reader: ByteReader;
}

/**
 * Opens a tag body with an ex-header: skips ModEx prefixes, and looks for track 0 in a multitrack message.
 *
 * Returns `undefined` when there is nothing for us: a multitrack message without track 0. Each step moves on, so the loops
 * end with the body. Throws `ParseError`.
 */
export function openExHeader(
  body: Uint8Array,
  types: { readonly multitrack: number; readonly modEx: number },
): ExHeader | undefined {
  const reader = new ByteReader(body);
  let packetType = reader.u8() & 0x0f;
  while (packetType === types.modEx) {
    let size = reader.u8() + 1;
    if (size === 256) size = reader.u16() + 1;
    reader.skip(size);
    packetType = reader.u8() & 0x0f;
  }
  if (packetType === types.multitrack) return openFirstTrack(reader, types);
  return { packetType, codec: fourCc(reader), reader };
}

function openFirstTrack(
  reader: ByteReader,
  types: { readonly multitrack: number; readonly modEx: number },
): ExHeader | undefined {
  const head = reader.u8();
  const kind = head >> 4;
  const packetType = head & 0x0f;
  if (packetType === types.multitrack)
    throw new ParseError('invalid', reader.offset, 'a multitrack message in another');
  if (kind > MULTITRACK.manyCodecs)
    throw new ParseError('unsupported', reader.offset, `multitrack type ${kind}`);
  let codec = kind === MULTITRACK.manyCodecs ? '' : fourCc(reader);
  while (reader.remaining > 0) {
    if (kind === MULTITRACK.manyCodecs) codec = fourCc(reader);
    const trackId = reader.u8();
    const size = kind === MULTITRACK.one ? reader.remaining : reader.u24();
    const track = reader.bytes(size);
    if (trackId === 0) return { packetType, codec, reader: new ByteReader(track) };
  }
  return undefined;
}

function fourCc(reader: ByteReader): string {
  return String.fromCharCode(...reader.bytes(4));
}
