/**
 * Starts Millrace, in one process or as separate services, and, unless told otherwise, a publisher that pushes the test
 * picture into it by RTMP; prints where everything is once the stream is playable. `scripts/up` has installed what this needs. Exit codes as stated there.
 */
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, networkInterfaces } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { keepAdminToken } from '../services/standalone/src/admin-token.ts';
import { Children } from './children.ts';
import type { Child } from './children.ts';
import { claimDirectory } from './directory-claim.ts';
import { startDependencies } from './distributed/dependencies.ts';
import { createDeployment } from './distributed/deployment.ts';
import { keepRunning } from './distributed/keep-running.ts';
import { findUnreachable } from './distributed/reachable.ts';
import { declareDemoChannel } from './demo-channel.ts';
import { KafkaUnavailableError } from './kafka/distribution.ts';
import { testPictureArguments } from './test-picture.ts';

const ROOT = `${import.meta.dirname}/../`;
const STATE_DIRECTORY = join(ROOT, '.millrace');
const READY_DEADLINE_MS = 30_000;
const PLAYABLE_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 20_000;
/** Below this many cores the demo encodes the two lower rungs only. */
const FULL_LADDER_CORES = 4;

interface Options {
  readonly hasDemo: boolean;
  readonly isLan: boolean;
  readonly hasAutoPorts: boolean;
  readonly isDistributed: boolean;
}

/** Where a Millrace is. */
interface Addresses {
  readonly rtmp: string;
  readonly http: string;
  /** Metrics and health of each process. */
  /** What else is printed, line by line. */
  readonly details: readonly string[];
}

/** A Millrace that runs. */
interface Started {
  readonly addresses: Addresses;
  /** Rejects when it ends by itself. */
  readonly ended: Promise<never>;
}

/** What `standalone --printAddresses` prints when it is ready. */
interface PrintedAddresses {
  readonly rtmp: string;
  readonly http: string;
  readonly admin: string;
}

/** The usual ports of encoders and of viewers. */
const PORTS = { rtmp: 1935, http: 8080 } as const;

/** A reason not to start that one sentence explains. */
class CannotStart extends Error {}

/** `scripts/up` has refused everything else. */
function parseOptions(argv: readonly string[]): Options {
  return {
    hasDemo: !argv.includes('--no-demo'),
    isLan: argv.includes('--lan'),
    hasAutoPorts: argv.includes('--auto-ports'),
    isDistributed: argv.includes('--distributed'),
  };
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

/** The usual port; 0 (the system chooses) when it is taken and `--auto-ports` allows that. */
async function choosePort(options: Options, host: string, usual: number): Promise<string> {
  return options.hasAutoPorts && !(await isFree(host, usual)) ? '0' : String(usual);
}

/** Starts Millrace; resolves when it is ready. */
async function startStandalone(options: Options, channelFile: string, children: Children): Promise<Started> {
  const host = options.isLan ? '0.0.0.0' : '127.0.0.1';
  const args = [
    ...['services/standalone/src/main.ts', '--printAddresses', 'true', '--stateDirectory', STATE_DIRECTORY],
    ...['--logLevel', 'warn', '--ingest.rtmp.host', host, '--http.host', host],
    ...['--ingest.rtmp.port', await choosePort(options, host, PORTS.rtmp)],
    ...['--http.port', await choosePort(options, host, PORTS.http)],
    ...['--playlistApi.channelFiles', channelFile],
    ...['--admin.port', await choosePort(options, '127.0.0.1', 9200)],
  ];
  const child = children.spawn(process.execPath, args);
  const ended = whenMillraceEnds(child);
  const ready = new Promise<Addresses>((resolve) => {
    createInterface({ input: child.output }).once('line', (line) => {
      const { rtmp, http, admin } = JSON.parse(line) as PrintedAddresses;
      resolve({ rtmp, http, details: [`  Metrics          ${admin}/metrics`] });
    });
  });
  const late = delay(READY_DEADLINE_MS, undefined, { ref: false }).then(() => {
    throw new Error('Millrace was not ready in time.');
  });
  return { addresses: await Promise.race([ready, ended, late]), ended };
}

/** Rejects when Millrace ends, which it never does by itself unless something is wrong. */
function whenMillraceEnds(child: Child): Promise<never> {
  const ended = child.ended.then(({ how, isRefusal }) => {
    // It has said why in one sentence.
    throw isRefusal ? new CannotStart('') : new Error(`Millrace has ended (${how}).`);
  });
  // Whoever waits for something else meanwhile hears of it later.
  ended.catch(() => undefined);
  return ended;
}

/** Starts Redis and Kafka (or takes those that the environment names) and every service behind HAProxy. */
async function startDistributed(
  options: Options,
  channelFile: string,
  children: Children,
  stopped: AbortSignal,
): Promise<Started> {
  const host = options.isLan ? '0.0.0.0' : '127.0.0.1';
  for (const [name, port] of Object.entries(PORTS)) {
    if (options.hasAutoPorts || (await isFree(host, port))) continue;
    const sentence = `The ${name.toUpperCase()} port ${host}:${port} is taken by another program: stop it or use --auto-ports.`;
    throw new CannotStart(sentence);
  }
  const unreachable = await findUnreachable(process.env);
  if (unreachable !== undefined) throw new CannotStart(unreachable);
  const directory = join(STATE_DIRECTORY, 'distributed');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  process.stdout.write('Starting Redis and Kafka ...\n');
  const dependencies = await startDependencies(directory, process.env);
  children.own(dependencies);
  stopped.throwIfAborted();
  process.stdout.write('Starting the services ...\n');
  const deployment = await createDeployment({
    ...{ directory, host, channelFiles: [channelFile], adminToken: keepAdminToken(STATE_DIRECTORY) },
    ...{ redis: { url: dependencies.redisUrl }, kafkaBrokers: dependencies.kafkaBrokers, logLevel: 'info' },
    rtmpPort: Number(await choosePort(options, host, PORTS.rtmp)),
    httpPort: Number(await choosePort(options, host, PORTS.http)),
  });
  // Before it is started: whoever stops meanwhile ends the services first, then what they need.
  children.own(deployment);
  await deployment.start(stopped);
  const processes = [...deployment.instances.map((instance) => instance.process), deployment.balancer];
  void keepRunning(processes, stopped, (sentence) => process.stdout.write(`${sentence}\n`));
  process.stdout.write(`Logs are in ${relative(ROOT, directory)}.\n`);
  const { rtmp, http, instances } = deployment;
  const details = [
    ...instances.map(({ name, admin }) => `  ${name.padEnd(16)} ${admin}/metrics`),
    // A password in a URL that was given is nobody's to print.
    `  REDIS_URL        ${dependencies.redis?.url ?? 'as it is set'}`,
    `  KAFKA_BROKERS    ${dependencies.kafkaBrokers.join(',')}`,
    ...(dependencies.redis === undefined
      ? []
      : ['', '  Redis keeps nothing on disk here: channels that you make are gone with it.']),
  ];
  const addresses = { rtmp, http, details };
  return { addresses, ended: whenStopped(stopped) };
}

/** Rejects when everything is to end: one process of several may go, as the others take over from it, and it is started again. */
function whenStopped(stopped: AbortSignal): Promise<never> {
  const ended = new Promise<never>((_resolve, reject) => {
    const stop = (): void => reject(new Error('Millrace is being stopped.'));
    stopped.addEventListener('abort', stop, { once: true });
    if (stopped.aborted) stop();
  });
  ended.catch(() => undefined);
  return ended;
}

function lanAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
}

/** Who publishes the demo, and to what. */
interface Demo {
  readonly rtmpUrl: string;
  /** Where the REST API says whether somebody publishes. */
  readonly channelUrl: string;
  readonly token: string;
  readonly hasFullLadder: boolean;
}

/**
 * Keeps the test picture on the channel until `stopped` is aborted, but for the time in which somebody else publishes. Throws
 * when it ends by itself before `playable` is aborted.
 */
async function keepPublishing(
  demo: Demo,
  children: Children,
  { playable, stopped }: { readonly playable: AbortSignal; readonly stopped: AbortSignal },
): Promise<void> {
  const size = demo.hasFullLadder ? { width: 1280, height: 720 } : { width: 854, height: 480 };
  const args = testPictureArguments({
    ...{ ...size, frameRate: 30, bitrateBps: 2_500_000, keyframeSeconds: 2 },
    url: demo.rtmpUrl,
  });
  while (!stopped.aborted) {
    if (!(await isLive(demo)) && !stopped.aborted) {
      const { how, lastWords } = await children.spawn('ffmpeg', args, { isQuiet: true }).ended;
      if (!playable.aborted && !stopped.aborted && !(await isLive(demo))) {
        throw new Error(`The publisher of the test picture has ended (${how}).\n${lastWords}`);
      }
    }
    await delay(1000, undefined, { signal: stopped }).catch(() => undefined);
  }
}

/** True while an encoder delivers: an OBS that has taken the channel over keeps it. */
async function isLive({ channelUrl, token }: Demo): Promise<boolean> {
  try {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(channelUrl, { headers, signal: AbortSignal.timeout(5000) });
    const channel = (await response.json()) as { readonly session?: { readonly state: string } };
    return channel.session?.state === 'live';
  } catch {
    return false;
  }
}

async function waitUntilPlayable(url: string, stopped: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([stopped, AbortSignal.timeout(PLAYABLE_DEADLINE_MS)]);
  while (!deadline.aborted) {
    const response = await fetch(url, { signal: deadline }).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.status === 200) return;
    await delay(200);
  }
  if (!stopped.aborted) throw new Error(`The demo stream was not playable in time: ${url}`);
}

function withHost(address: string, host: string): string {
  const url = new URL(address);
  return address.replace(url.host, `${host}:${url.port}`);
}

function makeStateDirectory(): void {
  try {
    mkdirSync(STATE_DIRECTORY, { recursive: true, mode: 0o700 });
    chmodSync(STATE_DIRECTORY, 0o700);
  } catch (error) {
    throw new CannotStart(
      `${relative(ROOT, STATE_DIRECTORY)} cannot be made or is not yours (${(error as NodeJS.ErrnoException).code}): start as its owner, or delete it.`,
    );
  }
}

async function run(options: Options, children: Children, stopped: AbortSignal): Promise<void> {
  makeStateDirectory();
  if (!(await claimDirectory(STATE_DIRECTORY))) {
    throw new CannotStart(
      'Millrace runs from this folder already: end that run, or start from another clone with --auto-ports.',
    );
  }
  process.stdout.write('Starting Millrace ...\n');
  const hasFullLadder = availableParallelism() >= FULL_LADDER_CORES;
  const demo = declareDemoChannel(STATE_DIRECTORY, hasFullLadder);
  const { addresses: local, ended } = options.isDistributed
    ? await startDistributed(options, demo.channelFile, children, stopped)
    : await startStandalone(options, demo.channelFile, children);
  if (stopped.aborted) return;
  const token = readFileSync(join(STATE_DIRECTORY, 'admin-token'), 'utf8').trim();
  if (options.hasDemo) {
    process.stdout.write('Publishing the test picture ...\n');
    const publishing = {
      rtmpUrl: `${withHost(local.rtmp, '127.0.0.1')}/${demo.streamKey}`,
      channelUrl: `${withHost(local.http, '127.0.0.1')}/v1/channels/demo`,
      ...{ token, hasFullLadder },
    };
    const playable = new AbortController();
    const published = keepPublishing(publishing, children, { playable: playable.signal, stopped });
    // The first that fails is told of.
    published.catch(() => undefined);
    const url = `${withHost(local.http, '127.0.0.1')}/play/demo/index.m3u8`;
    await Promise.race([waitUntilPlayable(url, stopped), published, ended]);
    playable.abort();
    if (stopped.aborted) return;
  }
  const host = options.isLan ? (lanAddress() ?? '127.0.0.1') : '127.0.0.1';
  const [rtmp, http] = [withHost(local.rtmp, host), withHost(local.http, host)];
  const lines = [
    '',
    options.hasDemo
      ? 'Millrace is live. Ctrl-C ends everything.'
      : 'Millrace is ready. Ctrl-C ends everything.',
    '',
    `  Watch            ${http}/`,
    `  OBS server       ${rtmp}`,
    `  OBS stream key   ${demo.streamKey}`,
    `  HLS              ${http}/play/demo/index.m3u8`,
    `  HLS (MPEG-TS)    ${http}/play/demo/ts.m3u8`,
    `  DASH             ${http}/play/demo/manifest.mpd`,
    `  API              ${http}/v1/   (admin token ${token})`,
    ...local.details,
    ...(!hasFullLadder
      ? ['', '  This machine has fewer than 4 cores: the demo channel has the two lower rungs (480p, 360p).']
      : []),
    ...(options.hasDemo
      ? ['  Publishing from OBS with this key takes the channel over from the test picture.']
      : []),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  await ended;
}

async function main(): Promise<number> {
  const children = new Children();
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  // A closed terminal must not end this process before it has ended its children.
  process.stdout.on('error', () => stop.abort());
  process.stderr.on('error', () => stop.abort());
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
  let running: Promise<void> | undefined;
  try {
    running = run(parseOptions(process.argv.slice(2)), children, stop.signal);
    await Promise.race([running, stopped]);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    if ((error as Error).message !== '') process.stderr.write(`${(error as Error).message}\n`);
    return error instanceof CannotStart || error instanceof KafkaUnavailableError ? 2 : 1;
  } finally {
    if (stop.signal.aborted) process.stdout.write('Stopping ...\n');
    stop.abort();
    await children.stop();
    // What was being started meanwhile has an owner when this is over.
    await Promise.race([running?.catch(() => undefined), delay(STOP_DEADLINE_MS)]);
    await children.stop();
  }
}

process.exit(await main());
