import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const SERVICES = join(import.meta.dirname, '../../..');
const DEADLINE_MS = 30_000;

/** A line of a service's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A service as a process of its own, as an operator starts it. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #deadline: NodeJS.Timeout;
  #stderr = '';

  /** `maxOpenFiles` is set by the shell that becomes the service. */
  constructor(
    service: string,
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>>; readonly maxOpenFiles?: number } = {},
  ) {
    const { env = {}, maxOpenFiles } = options;
    const command = [process.execPath, join(SERVICES, service, 'src/main.ts'), ...args];
    const [file = '', ...rest] =
      maxOpenFiles === undefined
        ? command
        : ['sh', '-c', `ulimit -n ${maxOpenFiles}; exec "$@"`, 'sh', ...command];
    this.#child = spawn(file, rest, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], ...env },
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#ended = once(this.#child, 'close');
    this.#deadline = setTimeout(() => this.#child.kill('SIGKILL'), DEADLINE_MS);
  }

  /** Everything on standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Its log so far; throws where a whole line is no JSON. */
  get log(): LogLine[] {
    return this.#stderr
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Where it listens, once it says so. Throws with what it said instead when it ends before. */
  async listening(): Promise<{ readonly http: string; readonly admin: string }> {
    const line = await this.said('Listening');
    const [http, admin] = [line['http'], line['admin']].map((port) => `http://127.0.0.1:${String(port)}`);
    return { http: http ?? '', admin: admin ?? '' };
  }

  /** The first line of its log with that message, once it is there. Throws with what it said instead when it ends before. */
  async said(message: string): Promise<LogLine> {
    for (;;) {
      const line = this.log.find(({ msg }) => msg === message);
      if (line !== undefined) return line;
      const stderr = this.#child.stderr;
      if (stderr === null || stderr.readableEnded) throw new Error(`It ended: ${this.#stderr}`);
      await Promise.race([once(stderr, 'data'), this.#ended]);
      if (this.#child.exitCode !== null) throw new Error(`It ended: ${this.#stderr}`);
    }
  }

  /** Its exit code once it has ended by itself. */
  async ended(): Promise<number | null> {
    await this.#ended;
    clearTimeout(this.#deadline);
    return this.#child.exitCode;
  }

  /** Asks it to stop; its exit code. */
  stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.ended();
  }
}
