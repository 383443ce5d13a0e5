import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';

/** A segment of the fixture; times in ticks of its rendition's timescale. */
export interface FixtureSegment {
  readonly k: number;
  readonly t: number;
  readonly d: number;
  readonly bytes: Buffer;
  /** The same second as MPEG-TS with audio; empty for audio. */
  readonly ts: Buffer;
}

/** One period of a rendition. */
interface FixturePeriod {
  readonly init: Buffer;
  readonly segments: readonly FixtureSegment[];
}

/** A rendition as ffmpeg made it. */
export interface FixtureRendition {
  readonly id: string;
  readonly kind: 'video' | 'audio';
  readonly timescale: number;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly periods: readonly FixturePeriod[];
}

/** Number of the first segment: SEG is one second, so it is also the first second since 1970. */
export const FIRST_K = 1_700_000_000;
/** Segments of each of the two periods; between them one segment number is left out. */
export const PERIOD_SEGMENTS = [7, 7] as const;
/** Pictures a second. */
export const FRAME_RATE = 10;

const VIDEO_TIMESCALE = 90_000;
const AUDIO_TIMESCALE = 48_000;
const AAC_SAMPLES = 1024;

/** Lets ffmpeg make two video renditions and audio, in two periods. */
export function makeFixtureMedia(): readonly FixtureRendition[] {
  const starts = [FIRST_K, FIRST_K + PERIOD_SEGMENTS[0] + 1];
  const audio = starts.map((start, index) => audioPeriod(start, PERIOD_SEGMENTS[index] ?? 0));
  const video = (id: string, width: number, height: number): FixtureRendition => {
    const periods = starts.map((start, index) =>
      videoPeriod(`${width}x${height}`, start, PERIOD_SEGMENTS[index] ?? 0),
    );
    const init = periods[0]?.init ?? Buffer.alloc(0);
    const record = init.indexOf('avcC') + 4;
    return {
      ...{ id, kind: 'video', timescale: VIDEO_TIMESCALE, width, height, periods },
      codec: `avc1.${init.subarray(record + 1, record + 4).toString('hex')}`,
    };
  };
  return [
    video('high', 160, 90),
    video('low', 96, 54),
    {
      ...{ id: 'audio', kind: 'audio', timescale: AUDIO_TIMESCALE, codec: 'mp4a.40.2', width: 0, height: 0 },
      periods: audio,
    },
  ];
}

const MP4 = ['-movflags', '+cmaf+frag_discont+skip_trailer', '-use_editlist', '0', '-f', 'mp4', 'pipe:1'];

function ffmpeg(args: readonly string[]): Buffer {
  return execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args], { maxBuffer: 64 * 1024 * 1024 });
}

function videoPeriod(size: string, start: number, seconds: number): FixturePeriod {
  const tags = MP4.map((value) => (value.startsWith('+cmaf') ? `${value}+frag_keyframe` : value));
  const file = ffmpeg([
    ...['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${FRAME_RATE}`, '-t', String(seconds)],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', String(FRAME_RATE)],
    ...['-output_ts_offset', String(start), '-video_track_timescale', String(VIDEO_TIMESCALE), ...tags],
  ]);
  const { init, fragments } = split(file);
  const transport = transportStream(file, start, seconds);
  const segments = fragments.map(({ bytes, tfdt }, index) => ({
    ...{ k: start + index, t: tfdt, d: VIDEO_TIMESCALE, bytes },
    ts: transport[index] ?? Buffer.alloc(0),
  }));
  if (segments.length !== seconds || transport.length !== seconds)
    throw new Error('the fixture has odd segments');
  return { init, segments };
}

function audioPeriod(start: number, seconds: number): FixturePeriod {
  const tags = MP4.map((value) => (value.startsWith('+cmaf') ? `${value}+frag_every_frame` : value));
  const file = ffmpeg([
    ...['-f', 'lavfi', '-i', `sine=frequency=440:r=${AUDIO_TIMESCALE}`, '-t', String(seconds + 1)],
    ...['-c:a', 'aac', '-b:a', '32k', '-output_ts_offset', String(start), ...tags],
  ]);
  const { init, fragments } = split(file);
  const segments: FixtureSegment[] = [];
  for (let k = start; k < start + seconds; k += 1) {
    const own = fragments.filter(({ tfdt }) => Math.floor((tfdt + 24) / AUDIO_TIMESCALE) === k);
    const first = own[0];
    if (first === undefined) throw new Error(`the fixture has no audio in ${k}`);
    segments.push({
      ...{ k, t: first.tfdt, d: own.length * AAC_SAMPLES, ts: Buffer.alloc(0) },
      bytes: Buffer.concat(own.map(({ bytes }) => bytes)),
    });
  }
  return { init, segments };
}

/** The period as MPEG-TS of ffmpeg's own HLS muxer, one buffer for each second. */
function transportStream(video: Buffer, start: number, seconds: number): readonly Buffer[] {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-fixture-'));
  try {
    execFileSync(
      'ffmpeg',
      [
        ...['-v', 'error', '-y', '-i', 'pipe:0', '-f', 'lavfi', '-i', 'sine=frequency=440:r=48000'],
        ...[
          '-map',
          '0:v',
          '-map',
          '1:a',
          '-t',
          String(seconds),
          '-c:v',
          'copy',
          '-c:a',
          'aac',
          '-b:a',
          '32k',
        ],
        ...['-f', 'hls', '-hls_time', '1', '-hls_list_size', '0', '-start_number', String(start)],
        ...['-hls_segment_filename', join(directory, '%d.ts'), join(directory, 'index.m3u8')],
      ],
      { input: video },
    );
    return readdirSync(directory)
      .filter((name) => name.endsWith('.ts'))
      .sort()
      .map((name) => withoutServiceTable(readFileSync(join(directory, name))));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** ffmpeg puts an SDT in front of the PAT; HLS wants the PAT first (H-17). */
function withoutServiceTable(stream: Buffer): Buffer {
  const packets: Buffer[] = [];
  for (let start = 0; start < stream.length; start += 188) {
    if ((stream.readUInt16BE(start + 1) & 0x1fff) !== 0x11) packets.push(stream.subarray(start, start + 188));
  }
  return Buffer.concat(packets);
}

interface Fragment {
  readonly tfdt: number;
  readonly bytes: Buffer;
}

function split(file: Buffer): { readonly init: Buffer; readonly fragments: readonly Fragment[] } {
  const fragments: Fragment[] = [];
  let init = Buffer.alloc(0);
  let offset = 0;
  while (offset < file.length) {
    const size = file.readUInt32BE(offset);
    const box = file.subarray(offset, offset + size);
    const type = box.toString('latin1', 4, 8);
    if (type === 'ftyp' || type === 'moov') init = Buffer.concat([init, box]);
    if (type === 'moof') {
      const mdatSize = file.readUInt32BE(offset + size);
      const tfdt = Number(box.readBigUInt64BE(box.indexOf('tfdt') + 8));
      fragments.push({ tfdt, bytes: file.subarray(offset, offset + size + mdatSize) });
      offset += mdatSize;
    }
    offset += size;
  }
  return { init, fragments };
}
