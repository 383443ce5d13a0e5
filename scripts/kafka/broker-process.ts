import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto', '-Xmx128m'];
const LOGGING = [
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
  '-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn',
];
/** Runs its arguments, writes their process id to the file $0, and kills them when standard input ends: its parent is gone. */
const GUARD = `exec 3<&0
"$@" </dev/null 3<&- & child=$!
echo $child >"$0"
(read -r _ <&3; kill -9 $child) & guard=$!
wait $child
kill $guard`;
const READY_LINE = 'Kafka Server started';
const READY_DEADLINE_MS = 90_000;
const TERM_DEADLINE_MS = 15_000;
const KILL_DEADLINE_MS = 5000;
const POLL_MS = 50;
const LOG_TAIL_LINES = 20;

/** The arguments of `java` for a main class of Kafka. */
export function javaArguments(
  libs: string,
  mainClass: string,
  ...argv: readonly string[]
): readonly string[] {
  return [...JVM, ...LOGGING, '-cp', `${libs}/*`, mainClass, ...argv];
}

/**
 * One broker and its folder: `server.properties`, `pid`, `log`, `data`.
 *
 * All that it knows is in the folder, so that another process can go on with it.
 */
export class BrokerProcess {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Process id while it runs. */
  get pid(): number | undefined {
    const file = this.#path('pid');
    const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    return pid > 0 && isOurs(pid, this.#path('server.properties')) ? pid : undefined;
  }

  /**
   * Starts it with the data it has and waits until it takes requests; throws with the end of its log when it does not.
   *
   * Detached, it runs until somebody stops it; otherwise it ends with this process, however that ends.
   */
  async start(options: { readonly libs: string; readonly isDetached: boolean }): Promise<void> {
    if (this.pid !== undefined) throw new Error(`the broker in ${this.#directory} runs already`);
    const argv = javaArguments(options.libs, 'kafka.Kafka', this.#path('server.properties'));
    rmSync(this.#path('pid'), { force: true });
    const log = openSync(this.#path('log'), 'w');
    // Not in the terminal's process group: a ctrl-C there must not reach it before those who still need it have stopped.
    const child = options.isDetached
      ? spawn('java', argv, { detached: true, stdio: ['ignore', log, log] })
      : spawn('sh', ['-c', GUARD, this.#path('pid'), 'java', ...argv], {
          detached: true,
          stdio: ['pipe', log, log],
        });
    closeSync(log);
    if (options.isDetached) writeFileSync(this.#path('pid'), String(child.pid));
    child.unref();
    (child.stdin as Socket | null)?.unref();
    await this.#awaitReady(child);
  }

  /** Sends the signal and waits until the process is gone. */
  async signal(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    process.kill(pid, signal);
    const deadlineMs = Date.now() + (signal === 'SIGTERM' ? TERM_DEADLINE_MS : KILL_DEADLINE_MS);
    while (this.pid === pid && Date.now() < deadlineMs) await sleep(POLL_MS);
    if (this.pid !== pid) return;
    if (signal === 'SIGKILL') throw new Error(`the broker with process id ${pid} does not end`);
    await this.signal('SIGKILL');
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  async #awaitReady(child: ChildProcess): Promise<void> {
    const deadlineMs = Date.now() + READY_DEADLINE_MS;
    let ended: string | undefined;
    child.once('error', (error) => (ended = error.message));
    child.once('exit', (code, signal) => (ended = `it ended with ${signal ?? code}`));
    while (!readFileSync(this.#path('log'), 'utf8').includes(READY_LINE)) {
      if (ended === undefined && Date.now() > deadlineMs) {
        await this.signal('SIGKILL');
        ended = `it was not ready after ${READY_DEADLINE_MS} ms`;
      }
      if (ended !== undefined)
        throw new Error(`no Kafka broker: ${ended}; the end of its log:\n${this.#logTail()}`);
      await sleep(POLL_MS);
    }
  }

  #logTail(): string {
    const lines = readFileSync(this.#path('log'), 'utf8').trimEnd().split('\n');
    return lines.slice(-LOG_TAIL_LINES).join('\n');
  }
}

/** Whether the process is alive and the one meant: process ids are used again. */
function isOurs(pid: number, argument: string): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // Empty for a process that is dead and was not waited for.
  const commandLine = `/proc/${pid}/cmdline`;
  return (
    !existsSync('/proc/self') ||
    (existsSync(commandLine) && readFileSync(commandLine, 'utf8').includes(argument))
  );
}
