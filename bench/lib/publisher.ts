import { setTimeout as delay } from 'node:timers/promises';
import { MeasuredProcess } from './measured-process.ts';

/** An ffmpeg that publishes an encoded file at its own pace, as an encoder would. */
export function publishFile(
  path: string,
  url: string,
  options: { readonly loops?: boolean } = {},
): MeasuredProcess {
  return new MeasuredProcess('ffmpeg', [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin', '-re'],
    ...(options.loops === true ? ['-stream_loop', '-1'] : []),
    ...['-i', path, '-c', 'copy', '-f', 'flv', '-flvflags', 'no_duration_filesize', url],
  ]);
}

/** Asks every `everyMs` until the answer is there; throws with `what` after `deadlineMs`. */
export async function poll<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  options: { readonly everyMs?: number; readonly deadlineMs?: number } = {},
): Promise<T> {
  const { everyMs = 50, deadlineMs = 30_000 } = options;
  const deadline = performance.now() + deadlineMs;
  while (performance.now() < deadline) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await delay(everyMs);
  }
  throw new Error(`${what}: not in ${deadlineMs / 1000} s`);
}
