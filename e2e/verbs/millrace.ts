import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, temporaryDirectory } from './children.ts';
import type { OwnedProcess } from './children.ts';
import { TEST_DEADLINE_MS } from './form.ts';
import { waitFor } from './wait-for.ts';

const ROOT = `${import.meta.dirname}/../../`;
const READY_DEADLINE_MS = 30_000;
const PLAYABLE_DEADLINE_MS = 60_000;
const KEPT_LINES = 60;

/** Where encoders, viewers and administrators reach a Millrace. */
export interface Endpoint {
  /** `rtmp://host:port/live` */
  readonly rtmp: string;
  readonly http: string;
  readonly adminToken: string;
}

/** A whole Millrace in a process of its own, on ports that the system chose. */
export interface Millrace extends Endpoint {
  readonly process: OwnedProcess;
  readonly admin: string;
  /** Everything it logged. */
  readonly logs: () => string;
}

/** A channel and where it is published and played. */
export interface Channel {
  readonly name: string;
  readonly streamKey: string;
  readonly streamKeyId: string;
  readonly publishUrl: string;
  /** The multivariant playlists: fMP4, then MPEG-TS. */
  readonly hls: readonly [string, string];
  /** The MPDs: SegmentTimeline, then `$Number$`. */
  readonly dash: readonly [string, string];
}

/** A session as the REST API shows it. */
export interface SessionState {
  readonly id: string;
  readonly state: 'live' | 'gap' | 'ended';
  readonly isPlayable: boolean;
  /** Address and name of the encoder. */
  readonly encoder?: string;
  readonly periods: readonly {
    readonly ordinal: number;
    readonly reason: string;
    readonly firstSegment: number;
  }[];
  readonly renditions: readonly {
    readonly id: string;
    readonly isPassthrough: boolean;
    readonly isGap?: boolean;
  }[];
}

/** Starts Millrace with some settings and waits until it is ready. */
export async function startMillrace(settings: Readonly<Record<string, unknown>> = {}): Promise<Millrace> {
  const stateDirectory = temporaryDirectory('state');
  const configPath = join(stateDirectory, 'config.yaml');
  const config = {
    http: { port: 0 },
    admin: { port: 0 },
    ingest: { rtmp: { port: 0 } },
    // As many side by side as a test likes: what is late is another test's matter.
    worker: { capacityUnits: 100, ffmpeg: { encoderThreads: 1 } },
    stateDirectory,
    printAddresses: true,
    ...settings,
  };
  // JSON is YAML.
  writeFileSync(configPath, JSON.stringify(config));
  const main = join(ROOT, 'services/standalone/src/main.ts');
  const owned = start(process.execPath, [main, '--config', configPath], {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const logs = (): string => `${owned.stdout()}\n${owned.stderr()}`;
  const line = await waitFor(
    'Millrace is ready',
    () => {
      if (!owned.isRunning()) throw new Error(`Millrace did not start:\n${logs()}`);
      return owned
        .stdout()
        .split('\n')
        .find((candidate) => candidate.startsWith('{"ready":true'));
    },
    READY_DEADLINE_MS,
  ).catch((error: Error) => {
    throw new Error(`${error.message}\n${logs()}`);
  });
  const addresses = JSON.parse(line) as { rtmp: string; http: string; admin: string };
  const adminToken = readFileSync(join(stateDirectory, 'admin-token'), 'utf8').trim();
  return { ...addresses, process: owned, adminToken, logs };
}

/** Asks the REST API as the administrator; throws the problem when it refuses. */
export async function api<T>(
  millrace: Endpoint,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await fetch(`${millrace.http}/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${millrace.adminToken}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** Makes a channel with a stream key. */
export async function createChannel(
  millrace: Endpoint,
  name: string,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<Channel> {
  await api(millrace, 'POST', '/channels', { name, settings });
  const key = await createStreamKey(millrace, name);
  const play = (file: string): string => `${millrace.http}/play/${name}/${file}`;
  return {
    name,
    streamKey: key.streamKey,
    streamKeyId: key.id,
    publishUrl: `${millrace.rtmp}/${key.streamKey}`,
    hls: [play('index.m3u8'), play('ts.m3u8')],
    dash: [play('manifest.mpd'), play('manifest-number.mpd')],
  };
}

/** Makes one more stream key for a channel. */
export async function createStreamKey(
  millrace: Endpoint,
  channel: string,
  role: 'primary' | 'backup' = 'primary',
): Promise<{ readonly id: string; readonly streamKey: string }> {
  return api(millrace, 'POST', `/channels/${channel}/stream-keys`, { role });
}

/** The newest session of a channel. */
export async function sessionOf(millrace: Endpoint, channel: Channel): Promise<SessionState | undefined> {
  const { items } = await api<{ items: readonly SessionState[] }>(
    millrace,
    'GET',
    `/sessions?channel=${channel.name}`,
  );
  return items.at(-1);
}

/** Waits until a channel can be played; throws with the words of its encoder when that has ended before. */
export async function waitForPlayable(channel: Channel, encoder?: OwnedProcess): Promise<void> {
  await waitFor(
    `${channel.name} is playable`,
    async () => {
      if ((await read(channel.hls[0])) !== undefined) return true;
      if (encoder?.isRunning() === false)
        throw new Error(`${channel.name}: the encoder ended before it was playable:\n${encoder.stderr()}`);
      return false;
    },
    PLAYABLE_DEADLINE_MS,
  );
}

/** Waits until a playable channel has had so many segments, those counted that were listed at the first look and since. */
export async function waitForSegments(channel: Channel, segments: number): Promise<void> {
  let first: number | undefined;
  await waitFor(
    `${channel.name} has ${segments} segments`,
    async () => {
      const [mediaPlaylist] = uris((await read(channel.hls[0])) ?? '');
      if (mediaPlaylist === undefined) return false;
      const text = (await read(new URL(mediaPlaylist, channel.hls[0]).href)) ?? '';
      const mediaSequence = Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1] ?? Number.NaN);
      first ??= mediaSequence;
      return mediaSequence - first + uris(text).length >= segments;
    },
    TEST_DEADLINE_MS,
  );
}

/** The text at a URL; `undefined` when there is none yet. */
async function read(url: string): Promise<string | undefined> {
  // A viewer of a session that is starting is held for up to 5 s.
  const response = await fetch(url, { signal: AbortSignal.timeout(15_000) });
  const text = await response.text();
  return response.status === 200 ? text : undefined;
}

function uris(playlist: string): readonly string[] {
  return playlist.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** Process ids of the ffmpegs that Millrace runs. */
export function ffmpegsOf(millrace: Millrace): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      // pid (comm) state ppid ...
      const match = /^(\d+) \((.*)\) (\S) (\d+) /.exec(readFileSync(`/proc/${name}/stat`, 'utf8'));
      const isOurs = match?.[2] === 'ffmpeg' && Number(match[4]) === millrace.process.pid && match[3] !== 'Z';
      return isOurs ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** All samples of one metric: labels as written, and value. */
export async function metric(
  millrace: Millrace,
  name: string,
): Promise<readonly { readonly labels: string; readonly value: number }[]> {
  const response = await fetch(`${millrace.admin}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  return text.split('\n').flatMap((line) => {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    return match?.[1] === name ? [{ labels: match[2] ?? '', value: Number(match[3]) }] : [];
  });
}

/** Resident memory of Millrace itself, in bytes. */
export function residentBytes(millrace: Millrace): number {
  const status = readFileSync(`/proc/${millrace.process.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

/** Runs the body of a test; when it fails, the end of Millrace's log goes with the error. */
export async function withLogs<T>(millrace: () => Millrace, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    const tail = millrace().logs().trim().split('\n').slice(-KEPT_LINES).join('\n');
    process.stderr.write(`\n--- the last lines of Millrace's log ---\n${tail}\n---\n`);
    throw error;
  }
}
