import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ServiceError } from '@millrace/runtime';

const run = promisify(execFile);
const CHECK_DEADLINE_MS = 10_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** `-fps_mode` came with 5.1. */
const MIN_VERSION = [5, 1] as const;

const NEEDED: readonly { readonly list: string; readonly kind: string; readonly names: readonly string[] }[] =
  [
    { list: '-encoders', kind: 'encoder', names: ['libx264', 'aac'] },
    { list: '-decoders', kind: 'decoder', names: ['h264', 'aac'] },
    {
      list: '-filters',
      kind: 'filter',
      names: [
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
      ],
    },
    { list: '-demuxers', kind: 'demuxer', names: ['nut'] },
    { list: '-muxers', kind: 'muxer', names: ['mp4'] },
  ];

/**
 * Checks that an ffmpeg can do what the worker asks of it; returns its version.
 *
 * Throws `ServiceError` (`WORKER_FFMPEG_MISSING`, `WORKER_FFMPEG_TOO_OLD`, `WORKER_FFMPEG_INCOMPLETE`) with one sentence that
 * says what is wrong and what to install.
 */
export async function checkFfmpeg(path: string): Promise<string> {
  const version = parseVersion(await list(path, '-version'), path);
  const missing = await Promise.all(
    NEEDED.map(async ({ list: option, kind, names }) => {
      const words = new Set((await list(path, option)).split(/[\s,]+/));
      return names.filter((name) => !words.has(name)).map((name) => `${kind} ${name}`);
    }),
  );
  const lacking = missing.flat();
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
  const version = /^ffmpeg version (\S+)/.exec(output)?.[1] ?? 'unknown';
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

async function list(path: string, option: string): Promise<string> {
  try {
    const { stdout } = await run(path, ['-hide_banner', option], {
      timeout: CHECK_DEADLINE_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return stdout;
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
