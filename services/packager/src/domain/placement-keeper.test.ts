import { afterEach, describe, expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import { createLogger, MemorySessionStore, rankPackagers } from '@millrace/runtime';
import type { InstanceRegistration } from '@millrace/runtime';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { initSegment, part, presentation } from '../testing/synthetic-parts.ts';
import { PlacementKeeper } from './placement-keeper.ts';
import type { PlaceResult } from './placement-keeper.ts';
import { SessionDirectory } from './session-directory.ts';
import type { SessionWindow } from './session-window.ts';

const FIRST_K = 895_000_000;
const CHANNEL = 'demo';
const logger = createLogger({ service: 'packager', level: 'error' });
const running: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

/** One session on a store, and the keepers of some packagers that all look at it. */
class World {
  readonly store = new MemorySessionStore({ clock: Date.now });
  readonly registered = new Map<string, InstanceRegistration>();
  readonly results: PlaceResult[] = [];
  nowMs = 0;
  sessionId = '';

  static async start(placed: readonly string[], registered: readonly string[]): Promise<World> {
    const world = new World();
    const outcome = await world.store.claimPublication({
      ...{
        channel: CHANNEL,
        takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
        inputPreference: session.InputPreference.PRIMARY,
        graceSeconds: 30,
      },
      ...{ ingest: { id: 'test', address: '' }, role: control.PublishRole.PRIMARY, encoderId: 'test' },
    });
    if (outcome.kind === 'refused') throw new Error('the claim was refused');
    world.sessionId = outcome.record.sessionId;
    const packagers = placed.map((id) => ({ id, address: `${id}:1` }));
    await world.store.update(CHANNEL, outcome.token, { presentation: presentation(), packagers });
    for (const id of registered) world.register(id);
    return world;
  }

  register(id: string, change: Partial<InstanceRegistration> = {}): void {
    this.registered.set(id, {
      ...{
        kind: 'packager',
        id,
        address: `${id}:1`,
        runId: '',
        capacityUnits: 10,
        loadUnits: 0,
        isDraining: false,
      },
      ...change,
    });
  }

  /** A packager's keeper; what it holds is filled at once, or never. */
  async keeper(
    instance: string,
    { fills = true } = {},
  ): Promise<{
    readonly keeper: PlacementKeeper;
    readonly directory: SessionDirectory;
    readonly windows: readonly SessionWindow[];
  }> {
    const windows: SessionWindow[] = [];
    const directory: SessionDirectory = new SessionDirectory({
      limits: {
        ...{ maxSessions: 10, maxWaiters: 10, maxRenditions: 10, maxPartBytes: 1e6, maxInitBytes: 1e6 },
        ...{ maxIndexReaders: 10, maxTotalBytes: 1e9, maxSessionBytes: 1e9 },
      },
      ...{ sessions: this.store, clock: Date.now, logger },
      observer: {
        onPartStored: () => undefined,
        onPartCopied: () => undefined,
        onDuplicate: () => undefined,
        onRefused: () => undefined,
        onSegmentCompleted: () => undefined,
      },
      residence: {
        isResident: ({ placement }) => placement?.packagers.some(({ id }) => id === instance) === true,
        onAdded: (window) => {
          windows.push(window);
          if (fills) window.markFilled();
        },
        onRemoved: (window) => windows.splice(windows.indexOf(window), 1),
      },
    });
    directory.start();
    running.push(directory);
    const keeper = new PlacementKeeper({
      ...{ instance, directory, sessions: this.store, logger },
      packagers: () => [...this.registered.values()],
      onPlaced: (result) => void this.results.push(result),
      monotonicMs: () => this.nowMs,
    });
    await settle();
    return { keeper, directory, windows };
  }

  async placement(): Promise<session.Placement | undefined> {
    const abort = new AbortController();
    for await (const { placement } of this.store.watch(abort.signal)) return placement;
    return undefined;
  }

  async placedIds(): Promise<readonly string[]> {
    return (await this.placement())?.packagers.map(({ id }) => id) ?? [];
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await nextTurn();
}

/** Ticks every second for so long. */
async function run(world: World, seconds: number, ...keepers: readonly PlacementKeeper[]): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    world.nowMs += 1000;
    await Promise.all(keepers.map((keeper) => keeper.tick()));
    await settle();
  }
}

describe('a session is taken over', () => {
  test('when one of its packagers has been gone for 10 s, and not before; by copying first, then by placing', async () => {
    const world = await World.start(['a', 'b'], ['a', 'c']);
    const { keeper, windows } = await world.keeper('c');
    await run(world, 10, keeper);
    expect([windows.length, await world.placedIds()]).toEqual([0, ['a', 'b']]);
    await run(world, 1, keeper);
    expect([windows.length, await world.placedIds()]).toEqual([1, ['a', 'b']]);
    await run(world, 1, keeper);
    expect(await world.placement()).toEqual({
      epoch: 2,
      packagers: [
        { id: 'a', address: 'a:1' },
        { id: 'c', address: 'c:1' },
      ],
    });
    expect(world.results).toEqual(['placed']);
    await run(world, 20, keeper);
    expect(world.results).toEqual(['placed']);
  });

  test('not while nothing could be copied', async () => {
    const world = await World.start(['a', 'b'], ['a', 'c']);
    const { keeper } = await world.keeper('c', { fills: false });
    await run(world, 60, keeper);
    expect(await world.placedIds()).toEqual(['a', 'b']);
  });

  test('not when the one that was gone is back in time', async () => {
    const world = await World.start(['a', 'b'], ['a', 'c']);
    const { keeper, windows } = await world.keeper('c');
    await run(world, 9, keeper);
    world.register('b');
    await run(world, 2, keeper);
    world.registered.delete('b');
    await run(world, 9, keeper);
    expect(windows).toHaveLength(0);
  });

  test('at once from one that drains', async () => {
    const world = await World.start(['a', 'b'], ['a', 'c']);
    world.register('b', { isDraining: true });
    const { keeper } = await world.keeper('c');
    await run(world, 2, keeper);
    expect(await world.placedIds()).toEqual(['a', 'c']);
  });

  test('when it is placed on one only', async () => {
    const world = await World.start(['a'], ['a', 'c']);
    const { keeper } = await world.keeper('c');
    await run(world, 12, keeper);
    expect(await world.placedIds()).toEqual(['a', 'c']);
  });

  test('by the one that rendezvous hashing names among those that are willing, and by no other', async () => {
    const world = await World.start(['a', 'b'], ['a', 'c', 'd', 'e']);
    world.register('full', { loadUnits: 10 });
    world.register('leaving', { isDraining: true });
    const others = ['c', 'd', 'e'].map((id) => world.registered.get(id)).filter((one) => one !== undefined);
    const named = rankPackagers(world.sessionId, others)[0]?.id;
    const keepers = await Promise.all(['c', 'd', 'e', 'full', 'leaving'].map((id) => world.keeper(id)));
    await run(world, 15, ...keepers.map(({ keeper }) => keeper));
    expect(await world.placedIds()).toEqual(['a', named]);
    expect(world.results).toEqual(['placed']);
    expect(keepers.reduce((sum, { windows }) => sum + windows.length, 0)).toBe(1);
  });

  test('by two, one after the other, when both are gone', async () => {
    const world = await World.start(['a', 'b'], ['c', 'd']);
    const keepers = await Promise.all(['c', 'd'].map((id) => world.keeper(id)));
    await run(world, 15, ...keepers.map(({ keeper }) => keeper));
    expect((await world.placedIds()).toSorted()).toEqual(['c', 'd']);
    expect((await world.placement())?.epoch).toBe(3);
  });

  test('by nobody who is not registered: who cannot be heard cannot judge others', async () => {
    const world = await World.start(['a', 'b'], []);
    const { keeper } = await world.keeper('c');
    await run(world, 30, keeper);
    expect(world.results).toEqual([]);
  });

  test('again when the store did not answer', async () => {
    const world = await World.start(['a', 'b'], ['a', 'c']);
    const place = world.store.place.bind(world.store);
    world.store.place = () => Promise.reject(new Error('away'));
    const { keeper } = await world.keeper('c');
    await run(world, 13, keeper);
    expect(new Set(world.results)).toEqual(new Set(['failed']));
    world.store.place = place;
    await run(world, 1, keeper);
    expect(await world.placedIds()).toEqual(['a', 'c']);
  });
});

test('a packager that is back at another address says so in the placement', async () => {
  const world = await World.start(['a', 'b'], ['a', 'b']);
  world.register('b', { address: 'elsewhere:1' });
  const { keeper } = await world.keeper('b');
  await run(world, 2, keeper);
  expect((await world.placement())?.packagers).toEqual([
    { id: 'a', address: 'a:1' },
    { id: 'b', address: 'elsewhere:1' },
  ]);
});

describe('a session that is placed elsewhere', () => {
  async function moved(): Promise<{ world: World; keeper: PlacementKeeper; directory: SessionDirectory }> {
    const world = await World.start(['a', 'b'], ['a', 'b', 'c']);
    const { keeper, directory, windows } = await world.keeper('b');
    const [window] = windows;
    if (window === undefined) throw new Error('it is not held');
    window.open({ sessionId: world.sessionId, leaseToken: 1, from: { k: 0, part: 0 } });
    window.publishInit(initSegment('720p'));
    for (const index of [0, 1]) window.publishPart(part('720p', FIRST_K, index), 1, 0);
    const packagers = ['a', 'c'].map((id) => ({ id, address: `${id}:1` }));
    await world.store.place(CHANNEL, world.sessionId, { epoch: 2, packagers });
    await settle();
    return { world, keeper, directory };
  }

  test('is let go when viewers are through, and not while a worker still brings parts', async () => {
    const { world, keeper, directory } = await moved();
    const [window] = [...directory.sessions];
    await run(world, 120, keeper);
    expect(directory.sessionCount).toBe(1);
    window?.closeStream();
    const stay = Math.ceil((window?.retentionAfterEndMs ?? 0) / 1000);
    expect(stay).toBeGreaterThan(11);
    await run(world, stay, keeper);
    expect(directory.sessionCount).toBe(1);
    await run(world, 2, keeper);
    expect([directory.sessionCount, directory.mediaBytes]).toEqual([0, 0]);
    expect(directory.find(world.sessionId).kind).toBe('elsewhere');
  });

  test('stays when it comes back', async () => {
    const { world, keeper, directory } = await moved();
    const [window] = [...directory.sessions];
    window?.closeStream();
    await run(world, 5, keeper);
    const packagers = ['a', 'b'].map((id) => ({ id, address: `${id}:1` }));
    await world.store.place(CHANNEL, world.sessionId, { epoch: 3, packagers });
    await settle();
    await run(world, 120, keeper);
    expect(directory.sessionCount).toBe(1);
  });
});
