import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MeasuredProcess } from './measured-process.ts';
import type { MeasuredServer } from './measured-server.ts';

const MAIN = join(import.meta.dirname, '../../dist/standalone/main.mjs');
const READY_DEADLINE_MS = 30_000;
/** A channel file may have 1 MiB. */
const CHANNELS_PER_FILE = 5000;

/** A channel with the key that publishes to it; `settings` as in a channel file. */
export interface BenchChannel {
  readonly name: string;
  readonly streamKey: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Millrace in one process, as bundled for production. */
export interface RunningStandalone extends MeasuredServer {
  /** `rtmp://127.0.0.1:1935/live` */
  readonly rtmpUrl: string;
  /** `http://127.0.0.1:8080` */
  readonly httpUrl: string;
  /** `http://127.0.0.1:9090` */
  readonly admin: string;
  /** From spawning to the line that says it is ready. */
  readonly readyMs: number;
}

/** Starts the bundled standalone on ports of the system's choice with a state directory of its own. */
export async function startStandalone(options: {
  readonly channels: readonly BenchChannel[];
  /** Flags of the service, `['--worker.capacityUnits', '10']`. */
  readonly flags?: readonly string[];
  /** Flags of Node. */
  readonly nodeFlags?: readonly string[];
  readonly core?: number;
  readonly env?: Readonly<Record<string, string>>;
}): Promise<RunningStandalone> {
  if (!existsSync(MAIN)) throw new Error('dist/standalone/main.mjs is missing: run "pnpm bundle" first');
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const files = writeChannelFiles(directory, options.channels);
  const startedAt = performance.now();
  const measured = new MeasuredProcess(
    process.execPath,
    [
      ...(options.nodeFlags ?? []),
      MAIN,
      ...['--printAddresses', 'true', '--stateDirectory', join(directory, 'state'), '--logLevel', 'error'],
      ...['--ingest.rtmp.port', '0', '--http.port', '0', '--admin.port', '0'],
      ...(files.length === 0 ? [] : ['--playlistApi.channelFiles', files.join(',')]),
      ...(options.flags ?? []),
    ],
    {
      cwd: directory,
      ...(options.core === undefined ? {} : { core: options.core }),
      ...(options.env === undefined ? {} : { env: options.env }),
    },
  );
  const stop = async (): Promise<void> => {
    await measured.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const { rtmp, http, admin } = await readAddresses(measured);
    return {
      process: measured,
      rtmpUrl: rtmp,
      port: Number(new URL(rtmp).port),
      httpUrl: http,
      admin,
      readyMs: performance.now() - startedAt,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Writes channels into as many files as they need; JSON is YAML, one channel a line. */
export function writeChannelFiles(directory: string, channels: readonly BenchChannel[]): string[] {
  const files: string[] = [];
  for (let start = 0; start < channels.length; start += CHANNELS_PER_FILE) {
    const path = join(directory, `channels-${files.length}.yaml`);
    const lines = channels
      .slice(start, start + CHANNELS_PER_FILE)
      .map(
        ({ name, streamKey, settings }) =>
          `  ${name}: ${JSON.stringify({ settings, streamKeys: [{ name: 'bench', key: streamKey }] })}`,
      );
    writeFileSync(path, `channels:\n${lines.join('\n')}\n`);
    files.push(path);
  }
  return files;
}

function readAddresses(
  measured: MeasuredProcess,
): Promise<{ readonly rtmp: string; readonly http: string; readonly admin: string }> {
  const { stdout } = measured.child;
  if (stdout === null) throw new Error('the child has no standard output');
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('Millrace was not ready in time')), READY_DEADLINE_MS);
    createInterface({ input: stdout }).on('line', (line) => {
      if (!line.startsWith('{"ready":true')) return;
      clearTimeout(timer);
      resolve(JSON.parse(line) as { rtmp: string; http: string; admin: string });
    });
    measured.child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`Millrace ended with exit code ${String(code)}`));
    });
  });
}
