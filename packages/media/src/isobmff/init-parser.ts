import { ParseError } from '../parse-error.ts';
import { findBox, listBoxes, requireBox, requireBytes } from './box.ts';
import type { Box } from './box.ts';

/** The one track of an init segment. */
export interface InitTrack {
  readonly trackId: number;
  /** Ticks a second. */
  readonly timescale: number;
  /** Sample entry type: `avc1`, `mp4a`. */
  readonly sampleEntry: string;
  /** avcC record or AudioSpecificConfig. */
  readonly decoderConfig: Buffer;
  /** Coded size in pixels; 0 for audio. */
  readonly width: number;
  readonly height: number;
}

/** Parses `ftyp` + `moov` with one track. Throws `ParseError`. */
export function parseInitSegment(bytes: Buffer): InitTrack {
  const file: Box = { type: 'file', start: 0, end: bytes.length };
  const trak = requireBox(bytes, file, 'moov', 'trak');
  const tkhd = requireBox(bytes, trak, 'tkhd');
  requireBytes(tkhd, 24);
  const isTkhdLong = bytes[tkhd.start] === 1;
  const mdhd = requireBox(bytes, trak, 'mdia', 'mdhd');
  requireBytes(mdhd, 24);
  const timescale = bytes.readUInt32BE(mdhd.start + (bytes[mdhd.start] === 1 ? 20 : 12));
  if (timescale === 0) throw new ParseError('invalid', mdhd.start, 'timescale 0');
  const stsd = requireBox(bytes, trak, 'mdia', 'minf', 'stbl', 'stsd');
  requireBytes(stsd, 8);
  const [entry] = listBoxes(bytes, stsd.start + 8, stsd.end);
  if (entry === undefined) throw new ParseError('invalid', stsd.start, 'stsd has no entry');
  const track = {
    trackId: bytes.readUInt32BE(tkhd.start + (isTkhdLong ? 20 : 12)),
    timescale,
    sampleEntry: entry.type,
  };
  switch (entry.type) {
    case 'avc1':
    case 'avc3': {
      requireBytes(entry, 78);
      const avcC = requireBox(bytes, { ...entry, start: entry.start + 78 }, 'avcC');
      return {
        ...track,
        decoderConfig: bytes.subarray(avcC.start, avcC.end),
        width: bytes.readUInt16BE(entry.start + 24),
        height: bytes.readUInt16BE(entry.start + 26),
      };
    }
    case 'mp4a': {
      requireBytes(entry, 28);
      const esds = findBox(bytes, { ...entry, start: entry.start + 28 }, 'esds');
      if (esds === undefined) throw new ParseError('invalid', entry.start, 'mp4a without esds');
      return {
        ...track,
        decoderConfig: parseEsds(bytes.subarray(esds.start, esds.end)),
        width: 0,
        height: 0,
      };
    }
    default:
      throw new ParseError('unsupported', entry.start, `sample entry ${JSON.stringify(entry.type)}`);
  }
}

/** Finds the DecoderSpecificInfo in the content of an `esds` box. */
function parseEsds(bytes: Buffer): Buffer {
  let at = 4;
  const descriptor = (tag: number): { readonly start: number; readonly end: number } => {
    if (bytes[at] !== tag) throw new ParseError('invalid', at, `descriptor ${tag} expected in esds`);
    at += 1;
    let size = 0;
    for (let count = 0; count < 4; count += 1) {
      const byte = bytes[at];
      if (byte === undefined) throw new ParseError('truncated', at, 'esds ends in a size');
      at += 1;
      size = (size << 7) | (byte & 0x7f);
      if ((byte & 0x80) === 0) break;
    }
    if (at + size > bytes.length) throw new ParseError('truncated', at, 'a descriptor does not fit esds');
    return { start: at, end: at + size };
  };
  const es = descriptor(3);
  const flags = bytes[es.start + 2] ?? 0;
  at = es.start + 3 + ((flags & 0x80) !== 0 ? 2 : 0);
  if ((flags & 0x40) !== 0) at += 1 + (bytes[at] ?? 0);
  if ((flags & 0x20) !== 0) at += 2;
  const config = descriptor(4);
  at = config.start + 13;
  const info = descriptor(5);
  return bytes.subarray(info.start, info.end);
}
