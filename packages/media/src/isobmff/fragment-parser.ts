import { ParseError } from '../parse-error.ts';
import { listBoxes, requireBox, requireBytes } from './box.ts';
import type { Box } from './box.ts';
import type { TrackFragment, TrackSample } from './track-sample.ts';

const MAX_SAMPLES = 10_000;
const NON_SYNC_FLAG = 0x0001_0000;

/** Defaults that `tfhd` may give in place of fields of `trun`. */
interface SampleDefaults {
  readonly duration: number;
  readonly size: number;
  readonly flags: number;
}

/**
 * Parses one `moof` + `mdat` of one track; other boxes in front (`styp`, `prft`) are skipped.
 *
 * The samples' data are slices of `bytes`, not copies. Throws `ParseError` when boxes or sample sizes do not fit.
 */
export function parseFragment(bytes: Buffer): TrackFragment {
  const boxes = listBoxes(bytes, 0, bytes.length);
  const moof = boxes.find((box) => box.type === 'moof');
  const mdat = boxes.find((box) => box.type === 'mdat');
  if (moof === undefined || mdat === undefined)
    throw new ParseError('invalid', 0, 'a fragment needs moof and mdat');
  const moofStart = moof.start - 8;
  const traf = requireBox(bytes, moof, 'traf');
  const parts = listBoxes(bytes, traf.start, traf.end);
  const tfhd = requireOne(parts, traf, 'tfhd');
  const { trackId, defaults } = parseTrackHeader(bytes, tfhd);
  const baseMediaDecodeTime = parseDecodeTime(bytes, requireOne(parts, traf, 'tfdt'));
  const samples = parseSamples(bytes, requireOne(parts, traf, 'trun'), { defaults, moofStart, mdat });
  return { trackId, baseMediaDecodeTime, samples };
}

function requireOne(boxes: readonly Box[], parent: Box, type: string): Box {
  const found = boxes.filter((box) => box.type === type);
  const [box] = found;
  if (box === undefined || found.length > 1)
    throw new ParseError('invalid', parent.start, `traf needs one ${type}, has ${found.length}`);
  return box;
}

function parseTrackHeader(bytes: Buffer, tfhd: Box): { trackId: number; defaults: SampleDefaults } {
  requireBytes(tfhd, 8);
  const flags = bytes.readUInt32BE(tfhd.start) & 0xff_ffff;
  let at = tfhd.start + 8;
  const take = (isPresent: boolean, size: number): number => {
    if (!isPresent) return 0;
    if (at + size > tfhd.end) throw new ParseError('truncated', at, 'tfhd ends before its fields');
    const value = size === 4 ? bytes.readUInt32BE(at) : 0;
    at += size;
    return value;
  };
  take((flags & 1) !== 0, 8);
  take((flags & 2) !== 0, 4);
  const duration = take((flags & 8) !== 0, 4);
  const size = take((flags & 0x10) !== 0, 4);
  return {
    trackId: bytes.readUInt32BE(tfhd.start + 4),
    defaults: { duration, size, flags: take((flags & 0x20) !== 0, 4) },
  };
}

function parseDecodeTime(bytes: Buffer, tfdt: Box): number {
  requireBytes(tfdt, 8);
  if (bytes[tfdt.start] !== 1) return bytes.readUInt32BE(tfdt.start + 4);
  requireBytes(tfdt, 12);
  const value = Number(bytes.readBigUInt64BE(tfdt.start + 4));
  if (!Number.isSafeInteger(value))
    throw new ParseError('too-large', tfdt.start, 'tfdt is not a safe integer');
  return value;
}

function parseSamples(
  bytes: Buffer,
  trun: Box,
  context: { readonly defaults: SampleDefaults; readonly moofStart: number; readonly mdat: Box },
): TrackSample[] {
  requireBytes(trun, 8);
  const { defaults, mdat } = context;
  const flags = bytes.readUInt32BE(trun.start) & 0xff_ffff;
  const count = bytes.readUInt32BE(trun.start + 4);
  if (count > MAX_SAMPLES) throw new ParseError('too-large', trun.start, `trun of ${count} samples`);
  let at = trun.start + 8;
  let dataAt = mdat.start;
  if ((flags & 1) !== 0) {
    requireBytes(trun, 12);
    dataAt = context.moofStart + bytes.readInt32BE(at);
    at += 4;
  }
  let firstFlags: number | undefined;
  if ((flags & 4) !== 0) {
    if (at + 4 > trun.end) throw new ParseError('truncated', at, 'trun ends before its fields');
    firstFlags = bytes.readUInt32BE(at);
    at += 4;
  }
  const [hasDuration, hasSize, hasFlags, hasOffset] = [0x100, 0x200, 0x400, 0x800].map(
    (bit) => (flags & bit) !== 0,
  );
  const entryBytes = [hasDuration, hasSize, hasFlags, hasOffset].filter(Boolean).length * 4;
  if (trun.end - at < count * entryBytes)
    throw new ParseError('truncated', at, 'trun ends before its samples');
  const samples: TrackSample[] = [];
  for (let index = 0; index < count; index += 1) {
    const duration = hasDuration ? bytes.readUInt32BE(at) : defaults.duration;
    if (hasDuration) at += 4;
    const size = hasSize ? bytes.readUInt32BE(at) : defaults.size;
    if (hasSize) at += 4;
    const ownFlags = hasFlags
      ? bytes.readUInt32BE(at)
      : index === 0
        ? (firstFlags ?? defaults.flags)
        : defaults.flags;
    if (hasFlags) at += 4;
    // Version 0 offsets are unsigned, but nobody writes one that only fits unsigned.
    const compositionOffset = hasOffset ? bytes.readInt32BE(at) : 0;
    if (hasOffset) at += 4;
    if (dataAt < mdat.start || dataAt + size > mdat.end) {
      throw new ParseError('invalid', dataAt, `sample ${index} of ${size} bytes lies outside mdat`);
    }
    const data = bytes.subarray(dataAt, dataAt + size);
    samples.push({ duration, compositionOffset, isSync: (ownFlags & NON_SYNC_FLAG) === 0, data });
    dataAt += size;
  }
  return samples;
}
