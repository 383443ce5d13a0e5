import { asBuffer } from '../byte-reader.ts';
import { ParseError } from '../parse-error.ts';
import { latin1 } from './box.ts';
import type { TrackFragment, TrackSample } from './track.ts';

const MAX_SAMPLES = 10_000;
const NON_SYNC_FLAG = 0x0001_0000;

const [MOOF, TRAF, TFHD, TFDT, TRUN, MDAT] = ['moof', 'traf', 'tfhd', 'tfdt', 'trun', 'mdat'].map((type) =>
  latin1(type).readUInt32BE(),
) as [number, number, number, number, number, number];

/** Offsets of what was found on the way down; -1 is: not yet. Filled by one walk, without an object for each box. */
interface Found {
  moof: number;
  traf: number;
  tfhd: number;
  tfhdEnd: number;
  tfdt: number;
  tfdtEnd: number;
  trun: number;
  trunEnd: number;
  mdat: number;
  mdatEnd: number;
}

/**
 * Parses one `moof` + `mdat` with one `traf` and one `trun`; other boxes (`styp`, `prft`, `emsg`) are skipped.
 *
 * The samples' data are slices of the input, not copies. Throws `ParseError` when boxes or samples do not fit.
 */
export function parseFragment(input: Uint8Array): TrackFragment {
  const bytes = asBuffer(input);
  const found: Found = {
    moof: -1,
    traf: -1,
    tfhd: -1,
    tfhdEnd: 0,
    tfdt: -1,
    tfdtEnd: 0,
    trun: -1,
    trunEnd: 0,
    mdat: -1,
    mdatEnd: 0,
  };
  walk(bytes, 0, bytes.length, found);
  if (found.mdat === -1) throw new ParseError('invalid', 0, 'no mdat');
  if (found.tfhd === -1 || found.tfdt === -1 || found.trun === -1) {
    throw new ParseError('invalid', 0, 'tfhd, tfdt or trun is missing');
  }
  const defaults = parseTrackHeader(bytes, found);
  return {
    trackId: defaults.trackId,
    baseMediaDecodeTime: parseDecodeTime(bytes, found),
    samples: parseSamples(bytes, found, defaults),
  };
}

/** Looks at the boxes between two offsets; goes into `moof` and `traf`. */
function walk(bytes: Buffer, start: number, end: number, found: Found): void {
  for (let at = start; at < end;) {
    if (end - at < 8) throw new ParseError('truncated', at, 'a box header needs 8 bytes');
    let size = bytes.readUInt32BE(at);
    let content = at + 8;
    if (size === 1) {
      if (end - at < 16) throw new ParseError('truncated', at, 'a large box header needs 16 bytes');
      size = Number(bytes.readBigUInt64BE(at + 8));
      content = at + 16;
    }
    if (size < content - at || size > end - at) {
      throw new ParseError('invalid', at, `a box of ${size} bytes, its parent has ${end - at} left`);
    }
    note(bytes, found, { type: bytes.readUInt32BE(at + 4), at, content, end: at + size });
    at += size;
  }
}

function note(
  bytes: Buffer,
  found: Found,
  box: { readonly type: number; readonly at: number; readonly content: number; readonly end: number },
): void {
  switch (box.type) {
    case MOOF:
      found.moof = once(found.moof, box.at);
      walk(bytes, box.content, box.end, found);
      break;
    case TRAF:
      found.traf = once(found.traf, box.at);
      walk(bytes, box.content, box.end, found);
      break;
    case TFHD:
      found.tfhd = once(found.tfhd, box.content);
      found.tfhdEnd = box.end;
      break;
    case TFDT:
      found.tfdt = once(found.tfdt, box.content);
      found.tfdtEnd = box.end;
      break;
    case TRUN:
      found.trun = once(found.trun, box.content);
      found.trunEnd = box.end;
      break;
    case MDAT:
      found.mdat = once(found.mdat, box.content);
      found.mdatEnd = box.end;
      break;
    default:
  }
}

function once(previous: number, offset: number): number {
  if (previous !== -1)
    throw new ParseError('unsupported', offset, 'more than one track or run in a fragment');
  return offset;
}

interface TrackDefaults {
  readonly trackId: number;
  readonly duration: number;
  readonly size: number;
  readonly flags: number;
}

function parseTrackHeader(bytes: Buffer, { tfhd, tfhdEnd }: Found): TrackDefaults {
  if (tfhdEnd - tfhd < 8) throw new ParseError('truncated', tfhd, 'tfhd needs 8 bytes');
  const present = bytes.readUInt32BE(tfhd);
  if ((present & 1) !== 0) throw new ParseError('unsupported', tfhd, 'tfhd with a base data offset');
  let at = tfhd + 8;
  const next = (bit: number): number => {
    if ((present & bit) === 0) return 0;
    if (tfhdEnd - at < 4) throw new ParseError('truncated', at, 'tfhd ends before its fields');
    at += 4;
    return bytes.readUInt32BE(at - 4);
  };
  next(0x02); // sample_description_index
  return { trackId: bytes.readUInt32BE(tfhd + 4), duration: next(0x08), size: next(0x10), flags: next(0x20) };
}

function parseDecodeTime(bytes: Buffer, { tfdt, tfdtEnd }: Found): number {
  const isLong = bytes[tfdt] === 1;
  if (tfdtEnd - tfdt < (isLong ? 12 : 8))
    throw new ParseError('truncated', tfdt, 'tfdt ends before its time');
  if (!isLong) return bytes.readUInt32BE(tfdt + 4);
  const value = bytes.readUInt32BE(tfdt + 4) * 0x1_0000_0000 + bytes.readUInt32BE(tfdt + 8);
  if (!Number.isSafeInteger(value)) throw new ParseError('too-large', tfdt, 'tfdt is not a safe integer');
  return value;
}

function parseSamples(bytes: Buffer, found: Found, defaults: TrackDefaults): TrackSample[] {
  const { trun, trunEnd, mdat, mdatEnd } = found;
  if (trunEnd - trun < 8) throw new ParseError('truncated', trun, 'trun needs 8 bytes');
  const present = bytes.readUInt32BE(trun);
  const count = bytes.readUInt32BE(trun + 4);
  if (count > MAX_SAMPLES) throw new ParseError('too-large', trun, `trun of ${count} samples`);
  const headBytes = 8 + ((present & 0x1) === 0 ? 0 : 4) + ((present & 0x4) === 0 ? 0 : 4);
  const entryBytes = 4 * bitCount(present & 0xf00);
  if (trunEnd - trun < headBytes + count * entryBytes) {
    throw new ParseError('truncated', trun, `trun ends before its ${count} samples`);
  }
  let at = trun + 8;
  const next = (): number => {
    at += 4;
    return bytes.readUInt32BE(at - 4);
  };
  let dataAt = (present & 0x1) === 0 ? mdat : found.moof + (next() | 0);
  const firstFlags = (present & 0x4) === 0 ? defaults.flags : next();
  const samples: TrackSample[] = [];
  for (let index = 0; index < count; index += 1) {
    const duration = (present & 0x100) === 0 ? defaults.duration : next();
    const size = (present & 0x200) === 0 ? defaults.size : next();
    const usualFlags = index === 0 ? firstFlags : defaults.flags;
    const flags = (present & 0x400) === 0 ? usualFlags : next();
    // Version 0 offsets are unsigned, but nobody writes one that fits only unsigned.
    const compositionOffset = (present & 0x800) === 0 ? 0 : next() | 0;
    if (dataAt < mdat || dataAt + size > mdatEnd) {
      throw new ParseError('invalid', trun, `sample ${index} of ${size} bytes lies outside mdat`);
    }
    const data = bytes.subarray(dataAt, dataAt + size);
    samples.push({ duration, compositionOffset, isSync: (flags & NON_SYNC_FLAG) === 0, data });
    dataAt += size;
  }
  return samples;
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
