import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { control, session } from '@millrace/contracts';
import type { sink, twin } from '@millrace/contracts';
import { createLogger, MemoryLeaseStore, MemorySessionStore, ServiceError } from '@millrace/runtime';
import type { InstanceRegistration, SessionCopies, SinkStream } from '@millrace/runtime';
import { ManualClock } from '@millrace/testkit';
import { Registry } from 'prom-client';
import { packagerConfigSchema, startPackager } from '../app.ts';
import type { PackagerConfig, RunningPackager } from '../app.ts';
import { getFrom, metricIn } from './http-get.ts';
import type { Answer, GetOptions } from './http-get.ts';
import { FIRST_K } from './packager-harness.ts';
import { initSegment, part, presentation } from './synthetic-parts.ts';

const CHANNEL = 'demo';
export const RENDITIONS = ['720p', '360p', 'audio'] as const;

/** One packager of a group. */
export interface Member {
  readonly id: string;
  readonly packager: RunningPackager;
  readonly registry: Registry;
  readonly port: number;
  readonly get: (rest: string, options?: GetOptions) => Promise<Answer>;
  readonly metric: (name: string, labels?: Readonly<Record<string, string>>) => Promise<number>;
  readonly stop: () => Promise<void>;
}

type ConfigChange = { readonly [K in keyof PackagerConfig]?: Partial<PackagerConfig[K]> | number };

/** Several packagers on one session store, with one session that is placed on some of them. */
export class PackagerGroup {
  readonly clock = new ManualClock(FIRST_K * 2000);
  readonly store = new MemorySessionStore({ clock: this.clock.now });
  readonly members = new Map<string, Member>();
  /** Packagers that nobody can copy from. */
  readonly cut = new Set<string>();
  /** Packagers that are not registered although they run. */
  readonly unregistered = new Set<string>();
  /** Registered although they do not run. */
  readonly ghosts: InstanceRegistration[] = [];
  sessionId = '';
  #token = 0;
  #retryMs = 1;

  /** Starts a group with a session placed on `placed`, that has its presentation and period 0 and no media. */
  static async start(
    ids: readonly string[],
    options: {
      readonly placed?: readonly string[];
      readonly config?: ConfigChange;
      readonly presentation?: Partial<session.Presentation>;
      readonly retryMs?: number;
    } = {},
  ): Promise<PackagerGroup> {
    const group = new PackagerGroup();
    group.#retryMs = options.retryMs ?? 1;
    const outcome = await group.store.claimPublication({
      ...{
        channel: CHANNEL,
        takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
        inputPreference: session.InputPreference.PRIMARY,
        graceSeconds: 0,
      },
      ...{ ingest: { id: 'test', address: '' }, role: control.PublishRole.PRIMARY, encoderId: 'test' },
    });
    if (outcome.kind === 'refused') throw new Error('the claim was refused');
    group.#token = outcome.token;
    group.sessionId = outcome.record.sessionId;
    await group.store.update(CHANNEL, group.#token, {
      presentation: presentation(options.presentation),
      openPeriod: { ordinal: 0, firstK: FIRST_K, startTicks: 0, tracks: [], reason: 'first' },
      currentK: FIRST_K,
      packagers: (options.placed ?? ids).map((id) => ({ id, address: id })),
    });
    for (const id of ids) await group.add(id, options.config);
    return group;
  }

  member(id: string): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`there is no packager ${id}`);
    return member;
  }

  /** Starts one more packager, or one anew that was lost. */
  async add(id: string, config: ConfigChange = {}): Promise<Member> {
    const registry = new Registry();
    const packager = await startPackager(packagerConfigSchema.parse({ ...config }), {
      sessions: this.store,
      leases: new MemoryLeaseStore({ clock: this.clock.now }),
      events: { emit: () => undefined },
      logger: createLogger({ service: 'packager', level: 'error', destination: { write: () => true } }),
      registry,
      clock: this.clock.now,
      twins: {
        instance: id,
        packagers: () => this.registered(),
        copies: this.#copies(),
        retryMs: this.#retryMs,
      },
    });
    const server: Server = createServer(packager.handler);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const { port } = server.address() as AddressInfo;
    const member: Member = {
      ...{ id, packager, registry, port },
      get: (rest, options) => getFrom(port, `/media/${this.sessionId}/${rest}`, options),
      metric: (name, labels) => metricIn(registry, name, labels),
      stop: async () => {
        this.members.delete(id);
        await packager.stop(100);
        await new Promise<void>((resolve) => {
          server.close(() => resolve());
          (server as ReturnType<typeof createServer>).closeAllConnections();
        });
      },
    };
    this.members.set(id, member);
    return member;
  }

  /** Who is registered now. */
  registered(): readonly InstanceRegistration[] {
    const running = [...this.members.values()]
      .filter(({ id }) => !this.unregistered.has(id))
      .map(({ id, port }) => ({
        ...{ kind: 'packager' as const, id, address: id, httpAddress: `127.0.0.1:${port}` },
        ...{ runId: '', capacityUnits: 10, loadUnits: 0, isDraining: false },
      }));
    return [...running, ...this.ghosts];
  }

  /** Opens a worker's stream to one packager. */
  open(id: string, leaseToken = 1, from: sink.Position = { k: FIRST_K, part: 0 }): Promise<SinkStream> {
    const hello = { sessionId: this.sessionId, leaseToken, from };
    return this.member(id).packager.sink.open(hello, new AbortController().signal);
  }

  /** Publishes the inits of period 0. */
  async publishInits(streams: readonly SinkStream[]): Promise<void> {
    for (const id of RENDITIONS)
      await Promise.all(streams.map((stream) => stream.publishInit(initSegment(id))));
  }

  /** Publishes some parts of a segment, in the order of a worker; the next one goes when this one is taken. */
  async publishParts(
    streams: readonly SinkStream[],
    k: number,
    indexes: readonly number[] = [0, 1],
  ): Promise<void> {
    for (const index of indexes)
      for (const id of RENDITIONS)
        await Promise.all(streams.map((stream) => stream.publishPart(part(id, k, index))));
  }

  /** Moves the session. */
  place(epoch: number, ids: readonly string[]): Promise<boolean> {
    return this.store.place(CHANNEL, this.sessionId, {
      epoch,
      packagers: ids.map((id) => ({ id, address: id })),
    });
  }

  /** Ends the session behind its last segment. */
  async end(lastK: number): Promise<void> {
    await this.store.update(CHANNEL, this.#token, { endPeriod: { ordinal: 0, lastK } });
    await this.store.releasePublication(CHANNEL, this.#token);
    await this.store.sweep();
  }

  /** Resolves when the condition holds, which is judged once a turn of the event loop. */
  async until(condition: () => Promise<boolean> | boolean): Promise<void> {
    while (!(await condition())) await nextTurn();
  }

  /** Resolves when a packager serves the session itself. */
  async filled(id: string): Promise<void> {
    const fills = (): Promise<number> => this.member(id).metric('millrace_packager_fills_total');
    await this.until(async () => (await fills()) > 0);
  }

  async stop(): Promise<void> {
    for (const member of [...this.members.values()]) await member.stop();
  }

  /** Reads from the packager itself, as if there were a connection, which breaks when one of both is cut off. */
  #copies(): SessionCopies {
    return {
      copyAt: ({ address }) => ({
        follow: (request, signal) => this.#follow(address, request, signal),
      }),
    };
  }

  async *#follow(
    address: string,
    request: twin.FollowRequest,
    signal: AbortSignal,
  ): AsyncGenerator<twin.FollowResponse, void, undefined> {
    const unreachable = (): ServiceError => new ServiceError('UNAVAILABLE', 'GRPC_UNAVAILABLE', 'cut off');
    const member = this.members.get(address);
    if (member === undefined || this.cut.has(address)) throw unreachable();
    for await (const message of member.packager.copy.follow(request, signal)) {
      if (this.cut.has(address) || this.members.get(address) !== member) throw unreachable();
      yield message;
    }
  }
}
