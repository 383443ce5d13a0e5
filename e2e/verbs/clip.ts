import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../observer/run-program.ts';
import { temporaryDirectory } from './children.ts';

/** What an encoder is to send. */
export interface ClipOptions {
  /** `426x240` by default; undefined leaves video out. */
  readonly size?: string | undefined;
  /** Frames a second, as ffmpeg writes it: `30`, `30000/1001`. */
  readonly rate?: string;
  readonly seconds?: number;
  /** Seconds between two IDRs; 2 by default. */
  readonly gopSeconds?: number;
  /** Times of the IDRs in seconds, in place of `gopSeconds`. */
  readonly keyframeTimes?: readonly number[];
  readonly bFrames?: number;
  readonly pixelFormat?: 'yuv420p' | 'yuv422p' | 'yuv444p';
  /** Drops every third frame but the IDRs, so that frames come as they like. */
  readonly isVariable?: boolean;
  /** Pictures from the first to before the second time (seconds) are left out. */
  readonly hole?: { readonly from: number; readonly to: number };
  /** 600 kb/s by default. */
  readonly bitrateBps?: number;
  readonly audio?: { readonly rate: number; readonly channels: number } | undefined;
}

/** A file that an encoder's bytes are read from. */
export interface Clip {
  readonly path: string;
  readonly seconds: number;
  /** Pictures in it. */
  readonly frames: number;
}

const known = new Map<string, Promise<Clip>>();
let directory: string | undefined;

/** The clip that most tests push: 426x240 at 30 fps with two B-frames, 48 kHz stereo. */
export const USUAL: ClipOptions = { bFrames: 2, audio: { rate: 48_000, channels: 2 } };

/** Encodes a clip once; pushing it afterwards costs next to nothing. */
export async function makeClip(options: ClipOptions): Promise<Clip> {
  const key = JSON.stringify(options);
  const clip = known.get(key) ?? encodeClip(options);
  known.set(key, clip);
  return clip;
}

async function encodeClip(options: ClipOptions): Promise<Clip> {
  if (directory === undefined || !existsSync(directory)) directory = temporaryDirectory('clips');
  const { seconds = 12, rate = '30', gopSeconds = 2, audio } = options;
  const size = 'size' in options ? options.size : '426x240';
  const path = join(directory, `${known.size}.flv`);
  const framesPerSecond = frameRateOf(rate);
  const args = ['-hide_banner', '-nostdin', '-v', 'error', '-y'];
  if (size !== undefined)
    args.push('-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${rate}:duration=${seconds}`);
  if (audio !== undefined)
    args.push('-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=${audio.rate}:duration=${seconds}`);
  if (size !== undefined) {
    const rateBps = String(options.bitrateBps ?? 600_000);
    const gop = Math.round(gopSeconds * framesPerSecond);
    const selected = options.isVariable === true ? `not(mod(n,${gop}))+mod(n,3)` : outside(options.hole);
    if (selected !== undefined)
      args.push('-vf', `select='${selected}'`, '-fps_mode', 'vfr', '-enc_time_base', '1:1000');
    args.push(
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-b:v',
      rateBps,
      '-maxrate',
      rateBps,
      '-bufsize',
      rateBps,
    );
    args.push(
      '-bf',
      String(options.bFrames ?? 0),
      '-sc_threshold',
      '0',
      '-pix_fmt',
      options.pixelFormat ?? 'yuv420p',
    );
    const forced = options.keyframeTimes?.join(',') ?? `expr:gte(t,n_forced*${gopSeconds})`;
    args.push('-force_key_frames', forced, '-g', '1000');
  }
  if (audio !== undefined) args.push('-c:a', 'aac', '-b:a', '96k', '-ac', String(audio.channels));
  args.push('-f', 'flv', path);
  const { exitCode, stderr } = await runProgram('ffmpeg', args);
  if (exitCode !== 0) throw new Error(`the clip cannot be made: ${stderr}`);
  const count = await runProgram('ffprobe', [
    ...['-v', 'error', '-count_packets', '-select_streams', 'v', '-of', 'csv=p=0'],
    ...['-show_entries', 'stream=nb_read_packets', path],
  ]);
  return { path, seconds, frames: Number(count.stdout.trim() || 0) };
}

function outside(hole: ClipOptions['hole']): string | undefined {
  return hole === undefined ? undefined : `lt(t,${hole.from})+gte(t,${hole.to})`;
}

/** Frames a second of a rational as ffmpeg writes it. */
export function frameRateOf(rate: string): number {
  const [numerator, denominator = '1'] = rate.split('/');
  return Number(numerator) / Number(denominator);
}
