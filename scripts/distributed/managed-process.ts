import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_DEADLINE_MS = 40_000;
const STOP_DEADLINE_MS = 12_000;
const POLL_MS = 50;
const SHOWN_CHARACTERS = 2000;

/** How one process of a deployment is run. */
export interface ProcessSpec {
  /** `worker-2`: unique in the deployment. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** What it writes goes here; what was there before its first start goes. */
  readonly logPath: string;
  /** Answers 200 once it is ready. */
  readonly readyUrl: string;
}

/** One process of a deployment, in a process group of its own, so that ctrl-C reaches only who ends it in order. */
export class ManagedProcess {
  readonly spec: ProcessSpec;
  #child: ChildProcess | undefined;

  constructor(spec: ProcessSpec) {
    this.spec = spec;
  }

  /** The id of the process while it runs. */
  get pid(): number | undefined {
    return this.#child === undefined || hasEnded(this.#child) ? undefined : this.#child.pid;
  }

  /** Starts it, or starts it again; does not wait until it is ready. */
  start(): void {
    const { program, args, cwd, env, logPath } = this.spec;
    // Of this run only; started again it goes on in the same log.
    const log = openSync(logPath, this.#child === undefined ? 'w' : 'a', 0o600);
    try {
      this.#child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', log, log] });
      this.#child.once('error', () => undefined);
    } finally {
      closeSync(log);
    }
  }

  /** Resolves when it says that it is ready; rejects with the end of its log when it ends first or takes too long. */
  async ready(signal?: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + READY_DEADLINE_MS;
    for (;;) {
      signal?.throwIfAborted();
      const response = await fetch(this.spec.readyUrl, { signal: AbortSignal.timeout(2000) }).catch(
        () => undefined,
      );
      await response?.arrayBuffer();
      if (response?.status === 200) return;
      if (this.pid === undefined || performance.now() > deadlineMs) {
        throw new Error(`${this.spec.name} did not start:\n${this.log().slice(-SHOWN_CHARACTERS)}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** Sends a signal to the process itself; no effect when it has ended. */
  signal(signal: NodeJS.Signals): void {
    if (this.pid !== undefined) this.#child?.kill(signal);
  }

  /** Ends it as a crash would, and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#awaitEnd(STOP_DEADLINE_MS);
  }

  /** Asks it to end at once, without handing anything over; waits, and kills what has not. */
  async stop(): Promise<void> {
    // One that stands still would not hear that it is to end.
    this.signal('SIGCONT');
    this.signal('SIGINT');
    await this.#awaitEnd(STOP_DEADLINE_MS);
    if (this.pid !== undefined) await this.kill();
    this.#endGroup();
  }

  /** Resolves when it has ended; true when that was before the deadline. */
  async ended(deadlineMs: number): Promise<boolean> {
    await this.#awaitEnd(deadlineMs);
    return this.pid === undefined;
  }

  /** Everything it wrote. */
  log(): string {
    try {
      return readFileSync(this.spec.logPath, 'utf8');
    } catch {
      return '';
    }
  }

  async #awaitEnd(deadlineMs: number): Promise<void> {
    const child = this.#child;
    if (child === undefined || hasEnded(child)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    child.once('exit', () => resolve());
    await promise;
    clearTimeout(timer);
  }

  /** What it may have left in its group. */
  #endGroup(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // The group is gone already.
    }
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
