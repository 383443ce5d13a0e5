import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** How a child process ended. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The end of what it wrote to standard error, at most `STDERR_TAIL_BYTES`. */
  readonly stderrTail: string;
}

/** Sends a signal to a process or, by its negative id, to a group; throws when there is none. What Node's `kill` does. */
export type SendSignal = (pid: number, signal: 'SIGKILL') => void;

/** What is kept of standard error. */
export const STDERR_TAIL_BYTES = 1024;

/**
 * A child process in a process group of its own, with extra output pipes that are always drained.
 *
 * Its standard input ends with this process, whatever ends it, so that a child that reads it does not outlive its parent. One
 * that is stopped reads nothing: `findDeathLauncher` is for that.
 */
export class PipedChild {
  readonly #child: ChildProcess;
  /** Absent when there were no file descriptors left to start with. */
  readonly #stdin: Writable | undefined;
  readonly #sendSignal: SendSignal;
  readonly #exited: Promise<ChildExit>;
  #stderrTail = '';
  #isGone = false;

  private constructor(
    child: ChildProcess,
    outputs: number,
    onOutput: (index: number, chunk: Buffer) => void,
    sendSignal: SendSignal,
  ) {
    this.#child = child;
    this.#sendSignal = sendSignal;
    // Of a child that finds no file descriptors left Node makes no streams at all, whatever its types say.
    const streams = child.stdio as ChildProcess['stdio'] | undefined;
    this.#stdin = child.stdin ?? undefined;
    // A child that dies breaks its pipes; that it is gone is learnt from its exit.
    this.#stdin?.on('error', () => {});
    child.stderr
      ?.on('error', () => {})
      .on('data', (chunk: Buffer) => {
        this.#stderrTail = (this.#stderrTail + chunk.toString('utf8')).slice(-STDERR_TAIL_BYTES);
      });
    for (let index = 0; index < outputs; index += 1) {
      const pipe = streams?.[FIRST_EXTRA_DESCRIPTOR + index] as Readable | undefined;
      pipe?.on('error', () => {}).on('data', (chunk: Buffer) => onOutput(index, chunk));
    }
    this.#exited = new Promise((resolve) => {
      let spawnError = '';
      child.on('error', (error) => {
        spawnError = error.message;
        // Without a process there is no exit to wait for.
        if (child.pid === undefined)
          this.#finish(resolve, { code: null, signal: null, stderrTail: spawnError });
      });
      child.on('close', (code, signal) =>
        this.#finish(resolve, { code, signal, stderrTail: this.#stderrTail }),
      );
    });
  }

  /** Starts a child; one that cannot be started is one that has exited, with the reason as its last words. */
  static start(options: {
    /** Program and arguments. */
    readonly command: readonly string[];
    readonly outputs: number;
    readonly onOutput: (index: number, chunk: Buffer) => void;
    readonly sendSignal: SendSignal;
  }): PipedChild {
    const [path = '', ...args] = options.command;
    const pipes = Array.from({ length: options.outputs }, () => 'pipe' as const);
    const child = spawn(path, args, {
      stdio: ['pipe', 'ignore', 'pipe', ...pipes],
      // A group of its own: Ctrl-C in a terminal reaches the parent alone, which ends the child in order.
      detached: true,
    });
    return new PipedChild(child, options.outputs, options.onOutput, options.sendSignal);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when the process is gone and its pipes are read to the end. */
  get exited(): Promise<ChildExit> {
    return this.#exited;
  }

  /** Bytes that wait to be read by the child. */
  get queuedBytes(): number {
    return this.#stdin?.writableLength ?? 0;
  }

  /** Queues chunks as one write. */
  write(chunks: readonly Uint8Array[]): void {
    const stdin = this.#stdin;
    if (this.#isGone || stdin?.writable !== true) return;
    stdin.cork();
    for (const chunk of chunks) stdin.write(chunk);
    stdin.uncork();
  }

  /** Resolves when the queue is empty, or the child is gone. */
  async drained(): Promise<void> {
    const stdin = this.#stdin;
    if (this.#isGone || stdin?.writableNeedDrain !== true) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stdin.off('drain', done).off('close', done);
        resolve();
      };
      stdin.on('drain', done).on('close', done);
    });
  }

  /** Ends standard input: the child finishes what it has and exits. */
  end(): void {
    this.#stdin?.end();
  }

  /**
   * Kills the process group at once, whatever state it is in: nothing that it could still write is wanted, and a request to
   * end would only be a wait (a stopped process never hears it).
   */
  kill(): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#isGone) return;
    try {
      this.#sendSignal(-pid, 'SIGKILL');
    } catch {
      // Gone between the check and the call, or not yet a group leader: the process itself is the group then.
      this.#child.kill('SIGKILL');
    }
  }

  #finish(resolve: (exit: ChildExit) => void, exit: ChildExit): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#stdin?.destroy();
    resolve(exit);
  }
}

const FIRST_EXTRA_DESCRIPTOR = 3;
