import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  closeSync,
  globSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reservePorts } from '../loopback-ports.ts';

const START_DEADLINE_MS = 10_000;
const ANSWER_DEADLINE_MS = 2000;
const SILENCE_MS = 100;
const POLL_MS = 20;
const READY = /Ready to accept connections|Sentinel ID is/i;
const CONFIGURATION = 'redis.conf';
const FAKETIME = '/usr/lib/*/faketime/libfaketime.so.1';
/** Runs its arguments, writes their process id to the file $0, and kills them when standard input ends: its parent is gone. */
const GUARD = `exec 3<&0
"$@" </dev/null 3<&- & child=$!
echo $child >"$0"
(read -r _ <&3; kill -9 $child) & guard=$!
wait $child
kill $guard`;

/** How a server is set up. */
export interface RedisServerOptions {
  /** Where it keeps what it has; made when it is missing. */
  readonly directory: string;
  /** The port; one that is free when absent. */
  readonly port?: number;
  /** Lines of redis.conf for its port, beside those that every server has. */
  readonly settings?: (port: number) => readonly string[];
  /** True: a node of a Cluster, which still has to be told of the others. */
  readonly isClusterNode?: boolean;
  /** The clock that `advance` moves, as libfaketime tells it: the system's, or one that stands still otherwise. */
  readonly clock?: 'movable' | 'frozen';
  /** True: it watches others and holds no data. */
  readonly isSentinel?: boolean;
  /** True: it runs until somebody stops it; otherwise it ends with this process, however that ends. */
  readonly isDetached?: boolean;
}

/**
 * A real redis-server on loopback, for tests and development: a folder of its own, nothing kept on disk.
 *
 * Its clock is moved from outside: libfaketime stands between it and the system and adds what a file says. glibc's allocator
 * stands before jemalloc, which would ask for the time before libfaketime is ready to answer.
 */
export class RedisServer {
  readonly port: number;
  /** The port of a Cluster's bus. */
  readonly busPort: number;
  readonly #options: RedisServerOptions;
  #child: ChildProcess | undefined;
  readonly #startedAtMs = Date.now();
  #offsetMs = 0;

  private constructor(
    ports: { readonly port: number; readonly busPort: number },
    options: RedisServerOptions,
  ) {
    this.port = ports.port;
    this.busPort = ports.busPort;
    this.#options = options;
  }

  /** Starts a server and waits until it takes commands; throws with its log when it does not. */
  static async start(options: RedisServerOptions): Promise<RedisServer> {
    mkdirSync(options.directory, { recursive: true });
    for (let attempt = 1; ; attempt += 1) {
      const [port = 0, busPort = 0] = await reservePorts(2);
      const server = new RedisServer({ port: options.port ?? port, busPort }, options);
      try {
        await server.start();
        return server;
      } catch (error) {
        await server.kill();
        // Somebody else may have taken the port in between.
        if (attempt === 3 || options.port !== undefined) throw error;
      }
    }
  }

  /** Where it is, for clients. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** How to connect, in the words of the configuration. */
  get connection(): { readonly url: string } {
    return { url: this.url };
  }

  /** The server's wall clock, ms since 1970. */
  now(): number {
    return (this.#options.clock === 'frozen' ? this.#startedAtMs : Date.now()) + this.#offsetMs;
  }

  /** Lets time pass for the server: at once, and for nobody else. */
  advance(ms: number): void {
    this.#offsetMs += ms;
    this.#writeOffset();
  }

  /** Starts it again, empty, on the same port and with the same clock. */
  async start(): Promise<void> {
    const { directory, isDetached = false, isSentinel = false } = this.#options;
    const configuration = join(directory, CONFIGURATION);
    writeFileSync(configuration, `${this.#settings().join('\n')}\n`);
    writeFileSync(this.#logPath(), '');
    this.#writeOffset();
    const command = [
      ...this.#clockCommand(),
      ...['redis-server', configuration, ...(isSentinel ? ['--sentinel'] : [])],
    ];
    const [program = '', ...argv] = command;
    // What it says before it has read where its log is goes there too.
    const log = openSync(this.#logPath(), 'a');
    const child = isDetached
      ? spawn(program, argv, { detached: true, stdio: ['ignore', log, log] })
      : spawn('sh', ['-c', GUARD, this.#pidPath(), ...command], {
          detached: true,
          stdio: ['pipe', log, log],
        });
    closeSync(log);
    this.#child = child;
    child.unref();
    (child.stdin as Socket | null)?.unref();
    await this.#awaitReady(child);
  }

  /** Ends it as a crash would, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited =
      child.exitCode === null && child.signalCode === null
        ? new Promise((resolve) => child.once('exit', resolve))
        : undefined;
    // Unreferenced so far: its end has to be waited for.
    child.ref();
    this.#signal('SIGKILL');
    await exited;
    this.#child = undefined;
  }

  /** Sends one command, words with spaces between, and returns the answer as it came. */
  ask(command: string): Promise<string> {
    return ask(this.port, `${command}\r\n`);
  }

  /** Holds it still: connections stay, nothing is answered. */
  pause(): void {
    this.#signal('SIGSTOP');
  }

  /** Lets it go on. */
  resume(): void {
    this.#signal('SIGCONT');
  }

  /** Ends it and removes its folder. */
  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#options.directory, { recursive: true, force: true });
  }

  #signal(signal: NodeJS.Signals): void {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    if (this.#options.isDetached === true) {
      child.kill(signal);
      return;
    }
    try {
      process.kill(Number(readFileSync(this.#pidPath(), 'utf8')), signal);
    } catch {
      // The guard has not started it, or it has just ended.
      if (signal === 'SIGKILL') child.stdin?.end();
    }
  }

  async #awaitReady(child: ChildProcess): Promise<void> {
    let failure: Error | undefined;
    child.once('error', (error) => (failure = error));
    const deadlineMs = performance.now() + START_DEADLINE_MS;
    for (;;) {
      const log = readFileSync(this.#logPath(), 'utf8');
      if (READY.test(log)) return;
      if (failure !== undefined) throw failure;
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadlineMs) {
        throw new Error(`redis-server did not start; the end of its log:\n${log.slice(-2000)}`);
      }
      await sleep(POLL_MS);
    }
  }

  #settings(): readonly string[] {
    const { directory, isSentinel = false, isClusterNode = false, settings } = this.#options;
    const own = ['bind 127.0.0.1', `port ${this.port}`, `dir "${directory}"`, `logfile "${this.#logPath()}"`];
    const data = ['save ""', 'appendonly no', 'maxclients 500', 'repl-diskless-sync-delay 0'];
    const cluster = ['cluster-enabled yes', `cluster-port ${this.busPort}`];
    return [
      ...own,
      ...(isSentinel ? [] : data),
      ...(isClusterNode ? cluster : []),
      ...(settings?.(this.port) ?? []),
    ];
  }

  #clockCommand(): readonly string[] {
    if (this.#options.clock === undefined) return [];
    const [library] = globSync(FAKETIME);
    if (library === undefined) throw new Error('libfaketime is not there: sudo apt-get install -y faketime');
    return [
      ...['env', 'TZ=UTC'],
      `LD_PRELOAD=${library} libc.so.6`,
      `FAKETIME_TIMESTAMP_FILE=${this.#offsetPath()}`,
      'FAKETIME_NO_CACHE=1',
      // Timers of the event loop go on as ever.
      'FAKETIME_DONT_FAKE_MONOTONIC=1',
    ];
  }

  #writeOffset(): void {
    // Renamed into place: the server reads it at every look at its clock.
    const next = `${this.#offsetPath()}.next`;
    writeFileSync(
      next,
      `${this.#options.clock === 'frozen' ? frozenAt(this.now()) : `+${this.#offsetMs / 1000}s`}\n`,
    );
    renameSync(next, this.#offsetPath());
  }

  #offsetPath(): string {
    return join(this.#options.directory, 'clock');
  }

  #pidPath(): string {
    return join(this.#options.directory, 'pid');
  }

  #logPath(): string {
    return join(this.#options.directory, 'log');
  }
}

/** A time as libfaketime reads it; half a millisecond more, since it rounds down. */
function frozenAt(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23).replace('T', ' ')}5`;
}

/** The port of a server that runs in this folder; `undefined` when none does. */
export async function runningPort(directory: string): Promise<number | undefined> {
  const port = portOf(directory);
  if (port === undefined) return undefined;
  // Any server may have the port by now: ours says that this is its folder.
  const answer = await ask(port, 'CONFIG GET dir\r\n').catch(() => '');
  return answer.split('\r\n').includes(directory) ? port : undefined;
}

/** Ends the server that runs in this folder, if one does, and removes the folder. */
export async function removeRunning(directory: string): Promise<void> {
  const port = await runningPort(directory);
  if (port !== undefined) await ask(port, 'SHUTDOWN NOSAVE\r\n');
  rmSync(directory, { recursive: true, force: true });
}

function portOf(directory: string): number | undefined {
  try {
    const [, port] = /^port (\d+)$/m.exec(readFileSync(join(directory, CONFIGURATION), 'utf8')) ?? [];
    return port === undefined ? undefined : Number(port);
  } catch {
    return undefined;
  }
}

/** Sends one command and returns what comes back until the server closes, or is silent for a moment after it has answered. */
async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.setTimeout(ANSWER_DEADLINE_MS, () => socket.destroy());
  socket.write(command + (command.startsWith('SHUTDOWN') ? '' : 'QUIT\r\n'));
  let answer = '';
  // A Sentinel does not close when it is asked to.
  socket.once('data', () => socket.setTimeout(SILENCE_MS));
  try {
    for await (const chunk of socket) answer += String(chunk);
  } catch (error) {
    if (answer === '') throw error;
  }
  return answer;
}
