import type { TrackFragment, TrackSample } from './track-sample.ts';

/** moof(8) mfhd(16) traf(8) tfhd(16) tfdt(20) trun(20): everything in front of the sample table. */
const FIXED_MOOF_BYTES = 8 + 16 + 8 + 16 + 20 + 20;
/** duration, size, flags, composition offset. */
const SAMPLE_ENTRY_BYTES = 16;
const MDAT_HEADER_BYTES = 8;

/** sample_depends_on = 2: depends on no other. */
const SYNC_FLAGS = 0x0200_0000;
/** sample_depends_on = 1, sample_is_non_sync_sample. */
const NON_SYNC_FLAGS = 0x0101_0000;

const TFHD_DEFAULT_BASE_IS_MOOF = 0x02_0000;
/** data offset, duration, size, flags and composition offset are present. */
const TRUN_FLAGS = 0x0000_0f01;

const [MOOF, MFHD, TRAF, TFHD, TFDT, TRUN, MDAT] = [
  'moof',
  'mfhd',
  'traf',
  'tfhd',
  'tfdt',
  'trun',
  'mdat',
].map((type) => Buffer.from(type, 'latin1').readUInt32BE()) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

/** Size of the bytes in front of the first sample's data in a fragment of `sampleCount` samples. */
export function fragmentHeaderBytes(sampleCount: number): number {
  return FIXED_MOOF_BYTES + sampleCount * SAMPLE_ENTRY_BYTES + MDAT_HEADER_BYTES;
}

/**
 * Marshals samples of one track to `moof` + `mdat`: default-base-is-moof, 64-bit `tfdt`, `trun` version 1 with every field
 * per sample (C-1). `sequenceNumber` is `mfhd`'s, modulo 2^32.
 */
export function marshalFragment(fragment: TrackFragment, sequenceNumber: number): Buffer {
  const { samples } = fragment;
  let dataBytes = 0;
  for (const sample of samples) dataBytes += sample.data.length;
  const headerBytes = fragmentHeaderBytes(samples.length);
  const bytes = Buffer.allocUnsafe(headerBytes + dataBytes);
  const moofBytes = headerBytes - MDAT_HEADER_BYTES;
  writeBox(bytes, 0, moofBytes, MOOF);
  writeBox(bytes, 8, 16, MFHD);
  bytes.writeUInt32BE(0, 16);
  bytes.writeUInt32BE(sequenceNumber >>> 0, 20);
  writeBox(bytes, 24, moofBytes - 24, TRAF);
  writeBox(bytes, 32, 16, TFHD);
  bytes.writeUInt32BE(TFHD_DEFAULT_BASE_IS_MOOF, 40);
  bytes.writeUInt32BE(fragment.trackId, 44);
  writeBox(bytes, 48, 20, TFDT);
  bytes.writeUInt32BE(0x0100_0000, 56);
  writeUint64(bytes, 60, fragment.baseMediaDecodeTime);
  writeBox(bytes, 68, moofBytes - 68, TRUN);
  bytes.writeUInt32BE(0x0100_0000 | TRUN_FLAGS, 76);
  bytes.writeUInt32BE(samples.length, 80);
  bytes.writeUInt32BE(headerBytes, 84);
  writeBox(bytes, moofBytes, MDAT_HEADER_BYTES + dataBytes, MDAT);
  writeSamples(bytes, samples, headerBytes);
  return bytes;
}

function writeSamples(bytes: Buffer, samples: readonly TrackSample[], dataAt: number): void {
  let entryAt = FIXED_MOOF_BYTES;
  let at = dataAt;
  for (const sample of samples) {
    bytes.writeUInt32BE(sample.duration, entryAt);
    bytes.writeUInt32BE(sample.data.length, entryAt + 4);
    bytes.writeUInt32BE(sample.isSync ? SYNC_FLAGS : NON_SYNC_FLAGS, entryAt + 8);
    bytes.writeInt32BE(sample.compositionOffset, entryAt + 12);
    bytes.set(sample.data, at);
    entryAt += SAMPLE_ENTRY_BYTES;
    at += sample.data.length;
  }
}

function writeBox(bytes: Buffer, at: number, size: number, type: number): void {
  bytes.writeUInt32BE(size, at);
  bytes.writeUInt32BE(type, at + 4);
}

function writeUint64(bytes: Buffer, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`tfdt ${value} is not a safe, positive integer`);
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}
