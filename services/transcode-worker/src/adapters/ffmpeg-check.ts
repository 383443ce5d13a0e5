import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ServiceError } from '@millrace/runtime';

const run = promisify(execFile);
const CHECK_DEADLINE_MS = 10_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** `-fps_mode` came with 5.1. */
const MIN_VERSION = [5, 1] as const;

/** What is needed, by the list of ffmpeg that has it; a list costs a start of ffmpeg, so there are few. */
const NEEDED: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  '-codecs': {
    'encoder libx264': /\blibx264\b/,
    'encoder aac': /^ .E\S* aac /m,
    'decoder h264': /^ D\S* h264 /m,
    'decoder aac': /^ D\S* aac /m,
  },
  '-formats': { 'demuxer nut': /^ D\S* +nut /m, 'muxer mp4': /^ .E +mp4 /m },
  '-filters': Object.fromEntries(
    [
      'aformat',
      'aresample',
      'bwdif',
      'format',
      'fps',
      'pad',
      'scale',
      'setparams',
      'setpts',
      'setsar',
      'settb',
      'split',
      'trim',
    ].map((name) => [`filter ${name}`, new RegExp(`^ \\S+ ${name} `, 'm')]),
  ),
};

/**
 * Checks that an ffmpeg can do what the worker asks of it; returns its version.
 *
 * Throws `ServiceError` (`WORKER_FFMPEG_MISSING`, `WORKER_FFMPEG_TOO_OLD`, `WORKER_FFMPEG_INCOMPLETE`) with one sentence that
 * says what is wrong and what to install.
 */
export async function checkFfmpeg(path: string): Promise<string> {
  const lists = await Promise.all(
    Object.entries(NEEDED).map(async ([option, needed]) => {
      const { stdout, stderr } = await ask(path, option);
      return { stderr, missing: Object.keys(needed).filter((name) => needed[name]?.test(stdout) !== true) };
    }),
  );
  const version = parseVersion(lists[0]?.stderr ?? '', path);
  const lacking = lists.flatMap(({ missing }) => missing);
  if (lacking.length > 0) {
    throw new ServiceError(
      'FAILED_PRECONDITION',
      'WORKER_FFMPEG_INCOMPLETE',
      `${path} (${version}) was built without ${lacking.join(', ')}: install an ffmpeg with libx264, for example ` +
        'the package "ffmpeg" of Debian or Ubuntu, or name another one with ffmpeg.path (MILLRACE_FFMPEG_PATH).',
    );
  }
  return version;
}

function parseVersion(output: string, path: string): string {
  const version = /^ffmpeg version (\S+)/m.exec(output)?.[1] ?? 'unknown';
  const numbers = /^n?(\d+)\.(\d+)/.exec(version);
  // A build from git has no number ("N-112233-g..."): what it can do is judged by its lists alone.
  if (numbers === null) return version;
  const [major, minor] = [Number(numbers[1]), Number(numbers[2])];
  if (major > MIN_VERSION[0] || (major === MIN_VERSION[0] && minor >= MIN_VERSION[1])) return version;
  throw new ServiceError(
    'FAILED_PRECONDITION',
    'WORKER_FFMPEG_TOO_OLD',
    `${path} is version ${version}, and ${MIN_VERSION.join('.')} or newer is needed: install a newer ffmpeg, ` +
      'or name another one with ffmpeg.path (MILLRACE_FFMPEG_PATH).',
  );
}

/** The banner with the version comes on standard error, the list on standard output. */
async function ask(
  path: string,
  option: string,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  try {
    return await run(path, [option], {
      timeout: CHECK_DEADLINE_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
  } catch (error) {
    throw new ServiceError(
      'FAILED_PRECONDITION',
      'WORKER_FFMPEG_MISSING',
      `${path} cannot be run (${(error as Error).message.split('\n')[0]}): install ffmpeg 5.1 or newer with libx264, ` +
        'for example "apt-get install ffmpeg", or name it with ffmpeg.path (MILLRACE_FFMPEG_PATH).',
      { cause: error },
    );
  }
}
