import { latin1 } from './box.ts';
import type { TrackFragment, TrackSample } from './track.ts';

const MFHD_BYTES = 16;
const TFHD_BYTES = 16;
const TFDT_BYTES = 20;
const TRUN_BYTES = 20;
const BOX_BYTES = 8;

/** sample_depends_on = 2: depends on no other. */
const SYNC_FLAGS = 0x0200_0000;
/** sample_depends_on = 1, sample_is_non_sync_sample. */
const NON_SYNC_FLAGS = 0x0101_0000;

const TFHD_DEFAULT_DURATION = 0x08;
const TFHD_DEFAULT_FLAGS = 0x20;
const TFHD_DEFAULT_BASE_IS_MOOF = 0x02_0000;
const TRUN_DATA_OFFSET = 0x001;
const TRUN_FIRST_FLAGS = 0x004;
const TRUN_DURATION = 0x100;
const TRUN_SIZE = 0x200;
const TRUN_FLAGS = 0x400;
const TRUN_COMPOSITION_OFFSET = 0x800;
const VERSION_1 = 0x0100_0000;

const [MOOF, MFHD, TRAF, TFHD, TFDT, TRUN, MDAT] = [
  'moof',
  'mfhd',
  'traf',
  'tfhd',
  'tfdt',
  'trun',
  'mdat',
].map((type) => latin1(type).readUInt32BE()) as [number, number, number, number, number, number, number];

/** Which per-sample fields `trun` must list, and which one value in front says. */
interface Layout {
  readonly tfhdFlags: number;
  readonly trunFlags: number;
  readonly entryBytes: number;
}

/**
 * Marshals samples of one track to `moof` + `mdat` (C-1): default-base-is-moof, 64-bit `tfdt`, one `trun` of version 1.
 *
 * What is equal for all samples is said once; equal input gives equal bytes. `sequenceNumber` is
 * taken modulo 2^32. Throws `RangeError` without samples, and for
 * a decode time that is not a safe, positive integer.
 */
export function marshalFragment(fragment: TrackFragment, sequenceNumber: number): Buffer {
  const { trackId, baseMediaDecodeTime, samples } = fragment;
  const [first] = samples;
  if (first === undefined) throw new RangeError('a fragment without samples');
  if (!Number.isSafeInteger(baseMediaDecodeTime) || baseMediaDecodeTime < 0) {
    throw new RangeError(`tfdt ${baseMediaDecodeTime} is not a safe, positive integer`);
  }
  const { tfhdFlags, trunFlags, entryBytes } = layoutOf(samples, first);
  const tfhdBytes = TFHD_BYTES + ((tfhdFlags & TFHD_DEFAULT_DURATION) === 0 ? 0 : 4) + 4;
  const trunBytes = TRUN_BYTES + ((trunFlags & TRUN_FIRST_FLAGS) === 0 ? 0 : 4) + entryBytes * samples.length;
  const trafBytes = BOX_BYTES + tfhdBytes + TFDT_BYTES + trunBytes;
  const moofBytes = BOX_BYTES + MFHD_BYTES + trafBytes;
  let dataBytes = 0;
  for (const sample of samples) dataBytes += sample.data.length;
  const bytes = Buffer.allocUnsafe(moofBytes + BOX_BYTES + dataBytes);
  let at = writeWords(bytes, 0, moofBytes, MOOF, MFHD_BYTES, MFHD, 0, sequenceNumber, trafBytes, TRAF);
  at = writeWords(bytes, at, tfhdBytes, TFHD, tfhdFlags, trackId);
  if ((tfhdFlags & TFHD_DEFAULT_DURATION) !== 0) at = bytes.writeUInt32BE(first.duration, at);
  at = bytes.writeUInt32BE(flagsOf(samples[1] ?? first), at);
  at = writeWords(bytes, at, TFDT_BYTES, TFDT, VERSION_1, Math.floor(baseMediaDecodeTime / 0x1_0000_0000));
  at = writeWords(bytes, at, baseMediaDecodeTime, trunBytes, TRUN, VERSION_1 | trunFlags, samples.length);
  at = bytes.writeUInt32BE(moofBytes + BOX_BYTES, at);
  if ((trunFlags & TRUN_FIRST_FLAGS) !== 0) at = bytes.writeUInt32BE(flagsOf(first), at);
  for (const sample of samples) at = writeEntry(bytes, at, trunFlags, sample);
  at = writeWords(bytes, at, BOX_BYTES + dataBytes, MDAT);
  for (const { data } of samples) {
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}

/** Default sample flags are those of the second sample, so that an IDR in front costs one word. */
function layoutOf(samples: readonly TrackSample[], first: TrackSample): Layout {
  const usual = samples[1] ?? first;
  let sameDuration = true;
  let sameFlags = true;
  let hasOffset = false;
  for (const [index, sample] of samples.entries()) {
    if (sample.duration !== first.duration) sameDuration = false;
    if (index > 0 && sample.isSync !== usual.isSync) sameFlags = false;
    if (sample.compositionOffset !== 0) hasOffset = true;
  }
  let trunFlags = TRUN_DATA_OFFSET | TRUN_SIZE;
  let entryBytes = 4;
  if (!sameDuration) {
    trunFlags |= TRUN_DURATION;
    entryBytes += 4;
  }
  if (!sameFlags) {
    trunFlags |= TRUN_FLAGS;
    entryBytes += 4;
  } else if (first.isSync !== usual.isSync) trunFlags |= TRUN_FIRST_FLAGS;
  if (hasOffset) {
    trunFlags |= TRUN_COMPOSITION_OFFSET;
    entryBytes += 4;
  }
  const duration = sameDuration ? TFHD_DEFAULT_DURATION : 0;
  return { tfhdFlags: TFHD_DEFAULT_BASE_IS_MOOF | TFHD_DEFAULT_FLAGS | duration, trunFlags, entryBytes };
}

function writeEntry(bytes: Buffer, start: number, trunFlags: number, sample: TrackSample): number {
  let at = start;
  if ((trunFlags & TRUN_DURATION) !== 0) at = bytes.writeUInt32BE(sample.duration, at);
  at = bytes.writeUInt32BE(sample.data.length, at);
  if ((trunFlags & TRUN_FLAGS) !== 0) at = bytes.writeUInt32BE(flagsOf(sample), at);
  if ((trunFlags & TRUN_COMPOSITION_OFFSET) !== 0) at = bytes.writeInt32BE(sample.compositionOffset, at);
  return at;
}

function flagsOf(sample: TrackSample): number {
  return sample.isSync ? SYNC_FLAGS : NON_SYNC_FLAGS;
}

function writeWords(bytes: Buffer, start: number, ...words: readonly number[]): number {
  let at = start;
  for (const word of words) at = bytes.writeUInt32BE(word >>> 0, at);
  return at;
}

/**
 * Joins fragments of one track that follow one another to one `moof` + `mdat`.
 *
 * Throws `RangeError` when they are of different tracks, or one does not begin where the one before ends.
 */
export function joinFragments(fragments: readonly TrackFragment[], sequenceNumber: number): Buffer {
  const [first] = fragments;
  if (first === undefined) throw new RangeError('no fragments to join');
  let expected = first.baseMediaDecodeTime;
  for (const { trackId, baseMediaDecodeTime, samples } of fragments) {
    if (trackId !== first.trackId)
      throw new RangeError(`tracks ${first.trackId} and ${trackId} in one fragment`);
    if (baseMediaDecodeTime !== expected)
      throw new RangeError(`a fragment at ${baseMediaDecodeTime}, expected ${expected}`);
    for (const { duration } of samples) expected += duration;
  }
  const samples = fragments.flatMap((fragment) => fragment.samples);
  return marshalFragment({ ...first, samples }, sequenceNumber);
}
