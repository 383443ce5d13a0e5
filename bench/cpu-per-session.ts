/**
 * CPU per transcoded session, 1280x720 at 30 fps into the default ladder: (a) of Millrace's process over its ffmpeg child; (b) of
 * that child over a bare ffmpeg that encodes the same file into the same ladder, paced like the encoder, and as fast as it can.
 *
 * Needs a bundled Millrace (`pnpm bundle`), ffmpeg with libx264, and a machine with nothing else to do. Options: `--help`.
 * Exit codes: 0 measured, 1 failed, 2 wrong options.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bareLadderArguments, commandLine } from './lib/bare-ladder.ts';
import { recordProfile } from './lib/cpu-profile.ts';
import { feedFile, ladderFeed } from './lib/feed-file.ts';
import { MeasuredProcess } from './lib/measured-process.ts';
import { parseOptions } from './lib/options.ts';
import { poll, publishFile } from './lib/publisher.ts';
import { figure, report } from './lib/report.ts';
import { startStandalone } from './lib/standalone.ts';
import { summarize } from './lib/statistics.ts';

const options = parseOptions({
  pairs: { long: 5, short: 1, describe: 'interleaved pairs' },
  seconds: { long: 30, short: 6, describe: 'seconds of media that are measured in each run' },
});
const WARM_UP_SECONDS = options.isShort ? 3 : 6;
const SEGMENT_SECONDS = 2;
/** Media behind what is measured, so that nothing ends while it is. */
const TAIL_SECONDS = 4;
const path = feedFile(ladderFeed(WARM_UP_SECONDS + options.seconds + TAIL_SECONDS));
const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));

interface SessionCpu {
  readonly own: number;
  readonly ffmpeg: number;
  readonly arguments: readonly string[];
}

async function measureSession(nodeFlags: readonly string[] = []): Promise<SessionCpu> {
  const streamKey = 'bench-cpu-per-session';
  const standalone = await startStandalone({
    channels: [{ name: 'bench', streamKey, settings: { segmentDuration: SEGMENT_SECONDS } }],
    nodeFlags,
  });
  const publisher = publishFile(path, `${standalone.rtmpUrl}/${streamKey}`);
  try {
    const pid = await poll('the ffmpeg of the session', () => standalone.process.pidsOf('ffmpeg')[0]);
    await delay(WARM_UP_SECONDS * 1000);
    const before = standalone.process.cpu();
    await delay(options.seconds * 1000);
    const after = standalone.process.cpu();
    if (standalone.process.pidsOf('ffmpeg')[0] !== pid)
      throw new Error('the ffmpeg of the session was replaced');
    return {
      own: after.own - before.own,
      ffmpeg: (after.descendants.get('ffmpeg') ?? 0) - (before.descendants.get('ffmpeg') ?? 0),
      arguments: commandLine(pid),
    };
  } finally {
    await publisher.stop();
    await standalone.stop();
  }
}

function bareArguments(
  sessionArguments: readonly string[],
  inputArguments: readonly string[],
): readonly string[] {
  return bareLadderArguments({
    sessionArguments,
    inputArguments,
    segmentSeconds: SEGMENT_SECONDS,
    outputPath: (index) => join(directory, `${index}.mp4`),
  });
}

/** CPU seconds of the bare ffmpeg in the same stretch of the file as the session's. */
async function measurePacedBare(sessionArguments: readonly string[]): Promise<number> {
  const bare = new MeasuredProcess('ffmpeg', bareArguments(sessionArguments, ['-re', '-i', path]));
  try {
    await delay(WARM_UP_SECONDS * 1000);
    const before = bare.totalCpuSeconds();
    await delay(options.seconds * 1000);
    return bare.totalCpuSeconds() - before;
  } finally {
    await bare.stop();
  }
}

/** CPU seconds of the bare ffmpeg for as much media, as fast as it can. */
async function measureFastBare(sessionArguments: readonly string[]): Promise<number> {
  const input = ['-benchmark', '-ss', String(WARM_UP_SECONDS), '-t', String(options.seconds), '-i', path];
  const args = bareArguments(sessionArguments, input).map((argument) =>
    argument === 'error' ? 'info' : argument,
  );
  const bare = new MeasuredProcess('ffmpeg', args, { stderr: 'pipe' });
  let log = '';
  bare.child.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));
  await new Promise((resolve) => bare.child.once('close', resolve));
  const [, user, system] = /bench: utime=([\d.]+)s stime=([\d.]+)s/.exec(log) ?? [];
  if (user === undefined) throw new Error(`ffmpeg did not tell its CPU time: ${log.slice(-500)}`);
  return Number(user) + Number(system);
}

async function profile(): Promise<readonly string[]> {
  const recording = recordProfile();
  await measureSession(recording.nodeFlags);
  return recording.summarize(WARM_UP_SECONDS);
}

const sessions: SessionCpu[] = [];
const paced: number[] = [];
const fast: number[] = [];
try {
  for (let pair = 0; pair < options.pairs; pair += 1) {
    const session = await measureSession();
    sessions.push(session);
    paced.push(await measurePacedBare(session.arguments));
    fast.push(await measureFastBare(session.arguments));
    process.stdout.write(
      `own ${session.own.toFixed(2)} s, ffmpeg ${session.ffmpeg.toFixed(2)} s, bare ${paced.at(-1)?.toFixed(2)} s, fast ${fast.at(-1)?.toFixed(2)} s\n`,
    );
  }
  const over = (bare: readonly number[]): number[] =>
    sessions.map(({ ffmpeg }, pair) => ffmpeg / (bare[pair] ?? Number.NaN));
  const own = sessions.map((session) => session.own / session.ffmpeg);
  const share = (seconds: readonly number[]): number[] => seconds.map((value) => value / options.seconds);
  const figures = [
    figure('CPU of Millrace over CPU of its ffmpeg, per session', own, {
      digits: 3,
      target: { atMost: 0.05 },
    }),
    figure('CPU of its ffmpeg over a bare ffmpeg at the same pace', over(paced), {
      digits: 3,
      target: { atMost: 1.02 },
    }),
    figure('CPU of its ffmpeg over a bare ffmpeg as fast as it can', over(fast), { digits: 3 }),
    figure('cores: Millrace’s process', share(sessions.map((session) => session.own)), { digits: 3 }),
    figure('cores: its ffmpeg', share(sessions.map(({ ffmpeg }) => ffmpeg)), { digits: 3 }),
    figure('cores: a bare ffmpeg at the same pace', share(paced), { digits: 3 }),
  ];
  report('cpu-per-session', figures, {
    isShort: options.isShort,
    notes: {
      source: `${options.seconds} s of 1280x720p30, 4 Mb/s, paced by ffmpeg -re over RTMP; SEG ${SEGMENT_SECONDS} s`,
      'the session’s ffmpeg': sessions[0]?.arguments.join(' ') ?? '',
      'a bare ffmpeg': bareArguments(sessions[0]?.arguments ?? [], ['-i', 'file'])
        .join(' ')
        .replaceAll(`${directory}/`, ''),
    },
    profile: summarize(own).median <= 0.05 ? undefined : await profile(),
  });
} finally {
  rmSync(directory, { recursive: true, force: true });
}
