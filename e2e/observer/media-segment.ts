import { createFile, MP4BoxBuffer } from 'mp4box';
import type { Report } from './report.ts';

/** What an init segment says about its one track. */
export interface InitFacts {
  readonly trackId: number;
  readonly timescale: number;
  /** RFC 6381 codec string. */
  readonly codec: string;
  readonly kind: 'video' | 'audio';
  readonly width: number;
  readonly height: number;
  readonly hasEditList: boolean;
  readonly defaultSampleDuration: number;
  readonly defaultSampleSize: number;
  readonly defaultSampleFlags: number;
}

/** What an fMP4 segment holds. */
export interface SegmentFacts {
  readonly bytes: number;
  /** `baseMediaDecodeTime` of the first fragment, in ticks of the init's timescale. */
  readonly tfdt: number;
  readonly durationTicks: number;
  readonly samples: number;
  /** Decode time of the last sample. */
  readonly lastSampleTicks: number;
}

interface Box {
  readonly type: string;
  readonly size: number;
  readonly start: number;
  readonly [name: string]: unknown;
}

interface SampleDescription extends Box {
  readonly width?: number;
  readonly height?: number;
  getCodec(): string;
}

interface Track {
  readonly tkhd: { readonly track_id: number; readonly duration: number };
  readonly edts?: { readonly elst?: unknown };
  readonly mdia: {
    readonly mdhd: { readonly timescale: number };
    readonly hdlr: { readonly handler: string };
    readonly minf: {
      readonly dinf: { readonly dref: { readonly entries: readonly { readonly flags: number }[] } };
      readonly stbl: {
        readonly stsd: { readonly entries: readonly SampleDescription[] };
        readonly stts: { readonly sample_counts: readonly number[] };
        readonly stsz: { readonly sample_sizes: readonly number[]; readonly sample_count: number };
        readonly stco?: { readonly chunk_offsets: readonly number[] };
      };
    };
  };
}

interface Movie extends Box {
  readonly mvhd: { readonly duration: number };
  readonly traks: readonly Track[];
  readonly mvex?: {
    readonly trexs: readonly {
      readonly default_sample_duration: number;
      readonly default_sample_size: number;
      readonly default_sample_flags: number;
    }[];
  };
}

interface TrackRun {
  readonly version: number;
  readonly flags: number;
  readonly sample_count: number;
  readonly data_offset: number;
  readonly first_sample_flags?: number;
  readonly sample_duration: readonly number[];
  readonly sample_size: readonly number[];
  readonly sample_flags: readonly number[];
}

interface TrackFragment {
  readonly tfhd: {
    readonly flags: number;
    readonly track_id: number;
    readonly default_sample_duration: number;
    readonly default_sample_size: number;
    readonly default_sample_flags: number;
  };
  readonly tfdt?: { readonly version: number; readonly baseMediaDecodeTime: number };
  readonly truns: readonly TrackRun[];
}

const TFHD = { baseDataOffset: 0x1, duration: 0x8, size: 0x10, flags: 0x20, defaultBaseIsMoof: 0x20000 };
const TRUN = { firstFlags: 0x4, duration: 0x100, size: 0x200, flags: 0x400, offsets: 0x800 };
const SAMPLE_IS_NON_SYNC = 0x10000;
const BRANDS = ['iso6', 'iso7', 'iso8', 'iso9', 'isoa', 'isob', 'isoc', 'cmfc', 'cmf2', 'cmff'];

function readBoxes(bytes: Buffer): readonly Box[] {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  const file = createFile(false);
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(copy, 0));
  file.flush();
  return file.boxes as unknown as readonly Box[];
}

/** Reads an init segment with mp4box and holds it to H-18; undefined when it cannot be used at all. */
export function readInit(bytes: Buffer, where: string, report: Report): InitFacts | undefined {
  const boxes = readBoxes(bytes);
  const ftyp = boxes[0] as (Box & { major_brand: string; compatible_brands: readonly string[] }) | undefined;
  const movie = boxes.find(({ type }) => type === 'moov') as unknown as Movie | undefined;
  report.expect(
    ftyp?.type === 'ftyp' &&
      [ftyp.major_brand, ...ftyp.compatible_brands].some((brand) => BRANDS.includes(brand)),
    'H-18',
    where,
    'the init segment does not begin with an ftyp of iso6 or later',
  );
  report.expect(
    boxes.every(({ type }) => type !== 'meta' && type !== 'udta' && type !== 'moof' && type !== 'mdat'),
    'C-1',
    where,
    'the init segment has meta, udta, moof or mdat at file level',
  );
  const [track, ...others] = movie?.traks ?? [];
  const trex = movie?.mvex?.trexs[0];
  if (movie === undefined || track === undefined || trex === undefined) {
    report.add('H-18', where, 'the init segment has no moov with a track and mvex');
    return undefined;
  }
  report.expect(others.length === 0, 'H-18', where, `the init segment has ${others.length + 1} tracks`);
  report.expect(
    movie.mvhd.duration === 0 && track.tkhd.duration === 0,
    'H-18',
    where,
    'mvhd or tkhd has a duration',
  );
  const { stbl, dinf } = track.mdia.minf;
  report.expect(
    stbl.stts.sample_counts.length === 0 &&
      stbl.stsz.sample_count === 0 &&
      (stbl.stco?.chunk_offsets.length ?? 0) === 0,
    'H-18',
    where,
    'the sample tables of the init segment are not empty',
  );
  report.expect(
    dinf.dref.entries.every(({ flags }) => (flags & 1) === 1),
    'H-18',
    where,
    'an external data reference',
  );
  const entry = stbl.stsd.entries[0];
  if (entry === undefined) {
    report.add('H-18', where, 'the init segment has no sample entry');
    return undefined;
  }
  return {
    trackId: track.tkhd.track_id,
    timescale: track.mdia.mdhd.timescale,
    codec: entry.getCodec(),
    kind: track.mdia.hdlr.handler === 'vide' ? 'video' : 'audio',
    width: entry.width ?? 0,
    height: entry.height ?? 0,
    hasEditList: track.edts?.elst !== undefined,
    defaultSampleDuration: trex.default_sample_duration,
    defaultSampleSize: trex.default_sample_size,
    defaultSampleFlags: trex.default_sample_flags,
  };
}

/** Reads an fMP4 segment with mp4box and holds it to C-1, H-11 and H-18; undefined when it holds no samples. */
export function readSegment(
  bytes: Buffer,
  init: InitFacts,
  where: string,
  report: Report,
): SegmentFacts | undefined {
  const boxes = readBoxes(bytes);
  report.expect(
    boxes.reduce((sum, { size }) => sum + size, 0) === bytes.length,
    'H-9',
    where,
    'the segment is cut off or has bytes outside of boxes',
  );
  report.expect(
    boxes.every(({ type }) => type !== 'meta' && type !== 'udta' && type !== 'moov'),
    'C-1',
    where,
    'the segment has meta, udta or moov at file level',
  );
  let tfdt: number | undefined;
  let next = 0;
  let samples = 0;
  let lastSampleTicks = 0;
  for (const [index, box] of boxes.entries()) {
    if (box.type !== 'moof') continue;
    const trafs = box['trafs'] as readonly TrackFragment[];
    const traf = trafs[0];
    if (traf?.tfdt === undefined || trafs.length !== 1) {
      report.add('H-18', where, `a moof with ${trafs.length} trafs, or without tfdt`);
      return undefined;
    }
    checkHeaders(traf, init, where, report);
    const start = traf.tfdt.baseMediaDecodeTime;
    if (tfdt === undefined) {
      tfdt = start;
      next = start;
      if (init.kind === 'video')
        report.expect(startsWithSync(traf, init), 'H-11', where, 'the first sample is not an IDR');
    }
    report.expect(
      start === next,
      'C-1',
      where,
      `a fragment begins at ${start}, the one before ended at ${next}`,
    );
    next = start;
    let payload = 0;
    for (const run of traf.truns) {
      for (let sample = 0; sample < run.sample_count; sample += 1) {
        lastSampleTicks = next;
        next += durationOf(run, sample, traf, init);
        payload += sizeOf(run, sample, traf, init);
        samples += 1;
      }
    }
    const mdat = boxes[index + 1];
    report.expect(
      mdat?.type === 'mdat' && mdat.size === payload + 8,
      'C-1',
      where,
      `the samples have ${payload} bytes, the mdat ${String(mdat?.size)}`,
    );
  }
  if (tfdt === undefined || samples === 0) {
    report.add('H-9', where, 'the segment holds no sample');
    return undefined;
  }
  return { bytes: bytes.length, tfdt, durationTicks: next - tfdt, samples, lastSampleTicks };
}

function checkHeaders(traf: TrackFragment, init: InitFacts, where: string, report: Report): void {
  const { flags } = traf.tfhd;
  report.expect(
    (flags & TFHD.defaultBaseIsMoof) !== 0 && (flags & TFHD.baseDataOffset) === 0,
    'H-18',
    where,
    'addresses are not relative to the moof',
  );
  report.expect(
    traf.tfhd.track_id === init.trackId,
    'H-18',
    where,
    `track ${traf.tfhd.track_id} is not the init segment's`,
  );
  report.expect(traf.tfdt?.version === 1, 'C-1', where, 'tfdt is not 64 bits long');
  report.expect(
    !init.hasEditList || traf.truns.every(({ version }) => version === 0),
    'C-1',
    where,
    'trun version 1 beside an edit list',
  );
}

function durationOf(run: TrackRun, sample: number, traf: TrackFragment, init: InitFacts): number {
  if ((run.flags & TRUN.duration) !== 0) return run.sample_duration[sample] ?? 0;
  return (traf.tfhd.flags & TFHD.duration) !== 0
    ? traf.tfhd.default_sample_duration
    : init.defaultSampleDuration;
}

function sizeOf(run: TrackRun, sample: number, traf: TrackFragment, init: InitFacts): number {
  if ((run.flags & TRUN.size) !== 0) return run.sample_size[sample] ?? 0;
  return (traf.tfhd.flags & TFHD.size) !== 0 ? traf.tfhd.default_sample_size : init.defaultSampleSize;
}

function startsWithSync(traf: TrackFragment, init: InitFacts): boolean {
  const run = traf.truns[0];
  if (run === undefined) return false;
  const inherited =
    (traf.tfhd.flags & TFHD.flags) !== 0 ? traf.tfhd.default_sample_flags : init.defaultSampleFlags;
  const first =
    (run.flags & TRUN.firstFlags) !== 0
      ? run.first_sample_flags
      : (run.flags & TRUN.flags) !== 0
        ? run.sample_flags[0]
        : inherited;
  return ((first ?? inherited) & SAMPLE_IS_NON_SYNC) === 0;
}
