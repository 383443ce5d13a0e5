import type { Report } from './report.ts';
import { runProgram } from './run-program.ts';
import type { Run } from './spool.ts';

/** What a decoder made of a run. */
export interface DecodedRun {
  readonly run: Run;
  /** Pictures that came out; 0 for audio. */
  readonly frames: number;
  /** Packets of the video, else of the audio track. */
  readonly packets: number;
}

interface Probe {
  readonly streams: readonly {
    readonly codec_type: string;
    readonly start_time?: string;
    readonly nb_read_packets?: string;
  }[];
}

/** Audio and video of a muxed run may begin this far apart: two audio frames and a picture. */
const MAX_START_SKEW_SECONDS = 0.1;

/**
 * Decodes each run as ffmpeg takes it; every message is a violation, and so is a packet that comes out as no picture.
 */
export async function decodeRuns(
  runs: readonly Run[],
  report: Report,
  options: { readonly timeoutMs: number },
): Promise<readonly DecodedRun[]> {
  const decoded: DecodedRun[] = [];
  for (const run of runs) {
    if (run.segments > 0) decoded.push(await decodeRun(run, report, options.timeoutMs));
  }
  return decoded;
}

async function decodeRun(run: Run, report: Report, timeoutMs: number): Promise<DecodedRun> {
  const probe = await probeRun(run, timeoutMs);
  const video = probe?.streams.find(({ codec_type: type }) => type === 'video');
  const audio = probe?.streams.find(({ codec_type: type }) => type === 'audio');
  const packets = Number((video ?? audio)?.nb_read_packets ?? 0);
  report.expect(packets > 0, 'decode', run.where, 'ffprobe finds no packet in what was served');
  if (run.samples > 0) {
    report.expect(
      packets === run.samples,
      'decode',
      run.where,
      `ffprobe counts ${packets} packets, the fragments say ${run.samples}`,
    );
  }
  if (video?.start_time !== undefined && audio?.start_time !== undefined) {
    const skew = Number(audio.start_time) - Number(video.start_time);
    report.expect(
      Math.abs(skew) <= MAX_START_SKEW_SECONDS,
      'sync',
      run.where,
      `audio begins ${skew.toFixed(3)} s after the video`,
    );
  }
  const result = await runProgram(
    'ffmpeg',
    [
      ...['-hide_banner', '-nostdin', '-v', 'warning', '-nostats', '-progress', 'pipe:1'],
      ...['-xerror', '-err_detect', 'explode', '-i', run.path],
      ...['-map', '0', '-fps_mode', 'passthrough', '-f', 'null', '-'],
    ],
    timeoutMs,
  );
  report.expect(
    result.exitCode === 0 && result.stderr.trim() === '',
    'decode',
    run.where,
    `ffmpeg ended with ${String(result.exitCode)} and said: ${result.stderr.trim().slice(0, 600)}`,
  );
  const frames = Number(/^frame=(\d+)$/gm.exec(lastProgress(result.stdout))?.[1] ?? 0);
  if (video !== undefined) {
    report.expect(
      frames === packets,
      'decode',
      run.where,
      `${frames} pictures came out of ${packets} packets`,
    );
  }
  return { run, frames, packets };
}

function lastProgress(text: string): string {
  return text.slice(Math.max(0, text.lastIndexOf('frame=')));
}

async function probeRun(run: Run, timeoutMs: number): Promise<Probe | undefined> {
  const result = await runProgram(
    'ffprobe',
    [
      ...['-v', 'error', '-count_packets', '-of', 'json'],
      ...['-show_entries', 'stream=codec_type,start_time,nb_read_packets', run.path],
    ],
    timeoutMs,
  );
  try {
    return JSON.parse(result.stdout) as Probe;
  } catch {
    return undefined;
  }
}
