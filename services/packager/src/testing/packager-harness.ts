import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { control, session } from '@millrace/contracts';
import type { MillraceEvent, sink } from '@millrace/contracts';
import { createLogger, MemoryLeaseStore, MemorySessionStore } from '@millrace/runtime';
import type { SinkStream } from '@millrace/runtime';
import { ManualClock } from '@millrace/testkit';
import { Registry } from 'prom-client';
import { packagerConfigSchema, startPackager } from '../app.ts';
import type { PackagerConfig, RunningPackager } from '../app.ts';
import { getFrom, metricIn } from './http-get.ts';
import type { Answer, GetOptions } from './http-get.ts';
import { initSegment, part, presentation } from './synthetic-parts.ts';

/** First segment of the tests' sessions. */
export const FIRST_K = 895_000_000;
const CHANNEL = 'demo';
/** Below Jest's own deadline for a test, after which the loop of a condition that never holds would keep the process. */
const UNTIL_DEADLINE_MS = 4000;

function claimOf(channel: string): Parameters<MemorySessionStore['claimPublication']>[0] {
  return {
    channel,
    takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
    graceSeconds: 0,
    ingest: { id: 'test', address: '' },
    role: control.PublishRole.PRIMARY,
    encoderId: 'test',
  };
}

/** A packager on a loopback port, with a session store that the test writes. */
export class PackagerHarness {
  readonly clock = new ManualClock(FIRST_K * 2000);
  readonly store = new MemorySessionStore({ clock: this.clock.now });
  readonly leases = new MemoryLeaseStore({ clock: this.clock.now });
  readonly events: MillraceEvent[] = [];
  readonly registry = new Registry();
  packager!: RunningPackager;
  sessionId = '';
  #token = 0;
  #server!: Server;

  /** Starts it, with a session that has its presentation, period 0 and no media. */
  static async start(
    options: {
      readonly config?: { readonly [K in keyof PackagerConfig]?: Partial<PackagerConfig[K]> | number };
      readonly presentation?: Partial<session.Presentation> | 'none';
    } = {},
  ): Promise<PackagerHarness> {
    const harness = new PackagerHarness();
    harness.packager = await startPackager(packagerConfigSchema.parse({ ...options.config }), {
      sessions: harness.store,
      leases: harness.leases,
      events: { emit: (event) => void harness.events.push(event) },
      logger: createLogger({ service: 'packager', level: 'error' }),
      registry: harness.registry,
      clock: harness.clock.now,
    });
    harness.#server = createServer(harness.packager.handler);
    await new Promise<void>((resolve) => harness.#server.listen(0, '127.0.0.1', () => resolve()));
    const outcome = await harness.store.claimPublication(claimOf(CHANNEL));
    if (outcome.kind === 'refused') throw new Error('the claim was refused');
    harness.#token = outcome.token;
    harness.sessionId = outcome.record.sessionId;
    if (options.presentation !== 'none') await harness.prepare(options.presentation);
    return harness;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Fixes the presentation and opens period 0. */
  async prepare(change: Partial<session.Presentation> = {}): Promise<void> {
    await this.#prepare(CHANNEL, this.#token, presentation(change));
  }

  async #prepare(channel: string, token: number, fixed: session.Presentation): Promise<void> {
    await this.store.update(channel, token, {
      presentation: fixed,
      openPeriod: { ordinal: 0, firstK: FIRST_K, startTicks: 0, tracks: [], reason: 'first' },
      currentK: FIRST_K,
    });
    await this.settle();
  }

  /** Ends the session: no publication, grace over. With `lastK`, ingest has said which segment is the last one. */
  async end(lastK?: number): Promise<void> {
    if (lastK !== undefined)
      await this.store.update(CHANNEL, this.#token, { endPeriod: { ordinal: 0, lastK } });
    await this.store.releasePublication(CHANNEL, this.#token);
    await this.store.sweep();
    await this.settle();
  }

  /** Lets what was promised happen. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
  }

  /** Resolves when the condition holds, which is judged once a turn of the event loop; rejects when that takes too long. */
  async until(condition: () => Promise<boolean> | boolean): Promise<void> {
    const deadline = AbortSignal.timeout(UNTIL_DEADLINE_MS);
    while (!(await condition())) {
      deadline.throwIfAborted();
      await nextTurn();
    }
  }

  /** Begins a session of another channel, prepared like the first; its id. */
  async addSession(channel: string): Promise<string> {
    const outcome = await this.store.claimPublication(claimOf(channel));
    if (outcome.kind === 'refused') throw new Error('the claim was refused');
    await this.#prepare(channel, outcome.token, presentation());
    return outcome.record.sessionId;
  }

  /** Opens a worker's stream. */
  open(
    leaseToken = 1,
    from: sink.Position = { k: FIRST_K, part: 0 },
    sessionId = this.sessionId,
  ): Promise<SinkStream> {
    return this.packager.sink.open({ sessionId, leaseToken, from }, new AbortController().signal);
  }

  /** Opens a stream and publishes the inits of period 0 and whole segments of every rendition named. */
  async publish(
    segments: number,
    renditions: readonly string[] = ['720p', '360p', 'audio'],
    sessionId = this.sessionId,
  ): Promise<SinkStream> {
    const stream = await this.open(1, { k: FIRST_K, part: 0 }, sessionId);
    for (const id of renditions) await stream.publishInit(initSegment(id));
    for (let k = FIRST_K; k < FIRST_K + segments; k += 1) await this.publishSegment(stream, k, renditions);
    return stream;
  }

  async publishSegment(stream: SinkStream, k: number, renditions: readonly string[]): Promise<void> {
    for (const index of [0, 1]) for (const id of renditions) await stream.publishPart(part(id, k, index));
  }

  /** The URL of an object of this session. */
  path(rest: string): string {
    return `/media/${this.sessionId}/${rest}`;
  }

  /** Sends a request to the object `rest` of this session. */
  async get(rest: string, options: GetOptions = {}): Promise<Answer> {
    return this.getPath(this.path(rest), options);
  }

  /** Sends a request for a path. */
  getPath(path: string, options: GetOptions = {}): Promise<Answer> {
    return getFrom(this.port, path, options);
  }

  /** Value of a metric with these labels; 0 when it was never counted. */
  metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return metricIn(this.registry, name, labels);
  }

  async stop(): Promise<void> {
    await this.packager.stop(1000);
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
