import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GENERATOR_CORE } from './measured-process.ts';

/** What the generator process is told. */
export type GeneratorCommand = { readonly kind: 'grow'; readonly to: number } | { readonly kind: 'status' };

/** What the generator process answers to `status`. */
export interface GeneratorStatus {
  readonly publishing: number;
  /** Connections that were closed or refused so far. */
  readonly lost: number;
  /** Most that waits in user space on one connection. */
  readonly waitingBytes: number;
  /** How late the generator itself was since the last status. */
  readonly lagMs: number;
  readonly sentBytes: number;
  readonly cpuSeconds: number;
}

const CONNECT_DEADLINE_MS = 120_000;
const PROGRAM = join(import.meta.dirname, '..', 'generator.ts');

/** The key of a publication: long enough for Millrace, plain enough for Node-Media-Server. */
export function streamKeyOf(prefix: string, index: number): string {
  return `${prefix}-publication-${String(index).padStart(5, '0')}`;
}

/** Many publications of one looped feed, kept going by a process of their own on its own core. */
export class PublicationGenerator {
  readonly #child: ChildProcess;

  constructor(options: {
    readonly port: number;
    readonly keyPrefix: string;
    readonly feedPath: string;
    readonly loopMs: number;
  }) {
    const { port, keyPrefix, feedPath, loopMs } = options;
    const args = [PROGRAM, '127.0.0.1', String(port), keyPrefix, feedPath, String(loopMs)];
    this.#child = spawn('taskset', ['-c', String(GENERATOR_CORE), process.execPath, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  /** Adds publications until `count` are going; throws when that takes too long or the server turns some away. */
  async growTo(count: number): Promise<void> {
    this.#send({ kind: 'grow', to: count });
    const deadline = Date.now() + CONNECT_DEADLINE_MS;
    for (;;) {
      const { publishing, lost } = await this.status();
      if (publishing >= count) return;
      if (lost > 0) throw new Error(`${lost} of ${count} publications were turned away`);
      if (Date.now() > deadline) throw new Error(`${publishing} of ${count} publications began in time`);
      await delay(100);
    }
  }

  async status(): Promise<GeneratorStatus> {
    const answer = once(this.#child, 'message') as Promise<[GeneratorStatus]>;
    this.#send({ kind: 'status' });
    const [status] = await answer;
    return status;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  #send(command: GeneratorCommand): void {
    if (this.#child.exitCode !== null) throw new Error('the generator ended');
    this.#child.send(command);
  }
}
