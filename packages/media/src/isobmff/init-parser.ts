import { asBuffer } from '../byte-reader.ts';
import { aacCodecString, parseAudioSpecificConfig } from '../codecs/aac/audio-specific-config.ts';
import { parseEsDescriptor } from '../codecs/aac/es-descriptor.ts';
import { avcCodecString, parseAvcDecoderConfiguration } from '../codecs/h264/avc-decoder-configuration.ts';
import { ParseError } from '../parse-error.ts';
import { findBox, listBoxes, requireBox, requireBytes } from './box.ts';
import type { Box } from './box.ts';
import type { InitTrack } from './track.ts';

/** What the sample entry says of a track. */
type EntryFields = Omit<InitTrack, 'trackId' | 'timescale' | 'sampleEntry'>;

const VISUAL_SAMPLE_ENTRY_BYTES = 78;
const AUDIO_SAMPLE_ENTRY_BYTES = 28;

/**
 * Parses `ftyp` + `moov` with one H.264 or AAC track.
 *
 * `decoderConfig` is a slice. Throws `ParseError`: `unsupported` for other codecs and for more than one track.
 */
export function parseInitSegment(input: Uint8Array): InitTrack {
  const bytes = asBuffer(input);
  const moov = requireBox(bytes, { type: 'file', start: 0, end: bytes.length }, 'moov');
  const [trak, ...others] = listBoxes(bytes, moov.start, moov.end).filter(({ type }) => type === 'trak');
  if (trak === undefined) throw new ParseError('invalid', moov.start, 'moov has no trak');
  if (others.length > 0)
    throw new ParseError('unsupported', moov.start, `${others.length + 1} tracks in one moov`);
  const tkhd = requireBox(bytes, trak, 'tkhd');
  requireBytes(tkhd, 24);
  const trackId = bytes.readUInt32BE(tkhd.start + (bytes[tkhd.start] === 1 ? 20 : 12));
  const mdhd = requireBox(bytes, trak, 'mdia', 'mdhd');
  requireBytes(mdhd, 24);
  const timescale = bytes.readUInt32BE(mdhd.start + (bytes[mdhd.start] === 1 ? 20 : 12));
  if (timescale === 0) throw new ParseError('invalid', mdhd.start, 'timescale 0');
  const stsd = requireBox(bytes, trak, 'mdia', 'minf', 'stbl', 'stsd');
  requireBytes(stsd, 8);
  const [entry] = listBoxes(bytes, stsd.start + 8, stsd.end);
  if (entry === undefined) throw new ParseError('invalid', stsd.start, 'stsd has no entry');
  switch (entry.type) {
    case 'avc1':
    case 'avc3':
      return { trackId, timescale, sampleEntry: entry.type, ...parseVideoEntry(bytes, entry) };
    case 'mp4a':
      return { trackId, timescale, sampleEntry: entry.type, ...parseAudioEntry(bytes, entry) };
    default:
      throw new ParseError('unsupported', entry.start, `sample entry ${JSON.stringify(entry.type)}`);
  }
}

function parseVideoEntry(bytes: Buffer, entry: Box): EntryFields {
  requireBytes(entry, VISUAL_SAMPLE_ENTRY_BYTES);
  const children: Box = { ...entry, start: entry.start + VISUAL_SAMPLE_ENTRY_BYTES };
  const avcC = requireBox(bytes, children, 'avcC');
  const pasp = findBox(bytes, children, 'pasp');
  const colr = findBox(bytes, children, 'colr');
  const sampleAspectRatio = pasp && parseAspect(bytes, pasp);
  const color = colr && parseColor(bytes, colr);
  return {
    kind: 'video',
    decoderConfig: bytes.subarray(avcC.start, avcC.end),
    width: bytes.readUInt16BE(entry.start + 24),
    height: bytes.readUInt16BE(entry.start + 26),
    sampleRate: 0,
    channelCount: 0,
    ...(sampleAspectRatio === undefined ? {} : { sampleAspectRatio }),
    ...(color === undefined ? {} : { color }),
  };
}

function parseAspect(bytes: Buffer, pasp: Box): InitTrack['sampleAspectRatio'] {
  requireBytes(pasp, 8);
  const numerator = bytes.readUInt32BE(pasp.start);
  const denominator = bytes.readUInt32BE(pasp.start + 4);
  return numerator === 0 || denominator === 0 ? undefined : { numerator, denominator };
}

function parseColor(bytes: Buffer, colr: Box): InitTrack['color'] {
  requireBytes(colr, 4);
  // ICC profiles say nothing that is used here.
  if (bytes.toString('latin1', colr.start, colr.start + 4) !== 'nclx') return undefined;
  requireBytes(colr, 11);
  return {
    primaries: bytes.readUInt16BE(colr.start + 4),
    transfer: bytes.readUInt16BE(colr.start + 6),
    matrix: bytes.readUInt16BE(colr.start + 8),
    isFullRange: bytes.readUInt8(colr.start + 10) >= 0x80,
  };
}

function parseAudioEntry(bytes: Buffer, entry: Box): EntryFields {
  requireBytes(entry, AUDIO_SAMPLE_ENTRY_BYTES);
  const esds = requireBox(bytes, { ...entry, start: entry.start + AUDIO_SAMPLE_ENTRY_BYTES }, 'esds');
  requireBytes(esds, 4);
  const { decoderSpecificInfo } = parseEsDescriptor(bytes.subarray(esds.start + 4, esds.end));
  const rate = bytes.readUInt16BE(entry.start + 24);
  return {
    kind: 'audio',
    decoderConfig: decoderSpecificInfo,
    width: 0,
    height: 0,
    sampleRate: rate === 0 ? parseAudioSpecificConfig(decoderSpecificInfo).sampleRate : rate,
    channelCount: bytes.readUInt16BE(entry.start + 16),
  };
}

/** RFC 6381 codec string of a track, from its decoder configuration. Throws `ParseError` when that is bad. */
export function codecString({ kind, decoderConfig }: Pick<InitTrack, 'kind' | 'decoderConfig'>): string {
  return kind === 'video'
    ? avcCodecString(parseAvcDecoderConfiguration(decoderConfig))
    : aacCodecString(parseAudioSpecificConfig(decoderConfig));
}
