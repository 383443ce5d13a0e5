import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import { createLogger, MemorySessionStore } from '@millrace/runtime';
import type { SessionChange, SessionStore } from '@millrace/runtime';
import { RecordWriter } from './record-writer.ts';

const logger = createLogger({ service: 'ingest', level: 'error' });
const FAR = AbortSignal.timeout(60_000);
const PERIOD = { ordinal: 0, firstK: 1, startTicks: 0, tracks: [], reason: 'first' };

/** A store whose answers the test gives. */
class FakeStore {
  readonly written: { token: number; change: SessionChange }[] = [];
  readonly answers: (boolean | Error)[] = [];

  async update(_channel: string, token: number, change: SessionChange): Promise<boolean> {
    const answer = this.answers.shift() ?? true;
    if (answer instanceof Error) throw answer;
    if (answer) this.written.push({ token, change });
    return answer;
  }
}

function writerOf(store: Pick<SessionStore, 'update'>): { writer: RecordWriter; lost: number[] } {
  const lost: number[] = [];
  const onLost = (token: number): void => void lost.push(token);
  return { writer: new RecordWriter({ store, logger, channel: 'news', onLost }), lost };
}

afterEach(() => {
  jest.useRealTimers();
});

describe('record writer', () => {
  test('writes in order; of K only the newest', async () => {
    const store = new FakeStore();
    const { writer } = writerOf(store);
    writer.token = 7;
    writer.write({ openPeriod: PERIOD, currentK: 1 });
    // The first is under way; these two wait.
    writer.write({ currentK: 2 });
    writer.write({ currentK: 3 });
    writer.write({ endPeriod: { ordinal: 0, lastK: 3 } });
    await writer.settled(FAR);
    expect(store.written).toEqual([
      { token: 7, change: { openPeriod: PERIOD, currentK: 1 } },
      { token: 7, change: { currentK: 3 } },
      { token: 7, change: { endPeriod: { ordinal: 0, lastK: 3 } } },
    ]);
  });

  test('nothing is written before there is a token', async () => {
    const store = new FakeStore();
    const { writer } = writerOf(store);
    writer.write({ openPeriod: PERIOD });
    await writer.settled(FAR);
    expect(store.written).toEqual([]);
    writer.token = 8;
    await writer.settled(FAR);
    expect(store.written).toEqual([{ token: 8, change: { openPeriod: PERIOD } }]);
  });

  test('what a lost token could not write is written by the next one, in order', async () => {
    const store = new FakeStore();
    store.answers.push(false);
    const { writer, lost } = writerOf(store);
    writer.token = 7;
    writer.write({ endPeriod: { ordinal: 0, lastK: 3 } });
    await writer.settled(FAR);
    writer.write({ openPeriod: { ...PERIOD, ordinal: 1 } });
    expect([lost, store.written]).toEqual([[7], []]);
    writer.token = 9;
    await writer.settled(FAR);
    expect(store.written.map(({ token, change }) => [token, Object.keys(change)])).toEqual([
      [9, ['endPeriod']],
      [9, ['openPeriod']],
    ]);
  });

  test('a store that fails is tried again until it answers', async () => {
    const store = new FakeStore();
    store.answers.push(new Error('down'));
    const { writer } = writerOf(store);
    writer.token = 7;
    writer.write({ openPeriod: PERIOD });
    await writer.settled(FAR);
    expect(store.written).toHaveLength(1);
  });

  test('waiting for a store that does not answer ends with the signal', async () => {
    const answer = Promise.withResolvers<boolean>();
    const update = (): Promise<boolean> => answer.promise;
    const writer = new RecordWriter({ store: { update }, logger, channel: 'news', onLost: () => undefined });
    writer.token = 1;
    writer.write({ currentK: 1 });
    const given = AbortSignal.timeout(5);
    await writer.settled(given);
    expect(given.aborted).toBe(true);
    answer.resolve(true);
  });

  test('nothing is kept for a session that is over', async () => {
    const store = new FakeStore();
    const { writer } = writerOf(store);
    writer.write({ openPeriod: PERIOD });
    writer.end();
    writer.write({ currentK: 4 });
    writer.token = 7;
    await writer.settled(FAR);
    expect(store.written).toEqual([]);
  });

  test('a store that does not answer is asked again after a second, and in the end everything is written once', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    const store = new FakeStore();
    const asked: SessionChange[] = [];
    let isAway = true;
    const update: SessionStore['update'] = (channel, token, change) => {
      asked.push(change);
      return isAway ? new Promise(() => undefined) : store.update(channel, token, change);
    };
    const { writer } = writerOf({ update });
    writer.token = 7;
    writer.write({ openPeriod: PERIOD });
    writer.write({ endPeriod: { ordinal: 0, lastK: 3 } });
    await jest.advanceTimersByTimeAsync(999);
    expect(asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(251);
    expect(asked).toEqual([{ openPeriod: PERIOD }, { openPeriod: PERIOD }]);
    isAway = false;
    await jest.advanceTimersByTimeAsync(1250);
    expect(store.written.map(({ change }) => change)).toEqual([
      { openPeriod: PERIOD },
      { endPeriod: { ordinal: 0, lastK: 3 } },
    ]);
  });

  test('an outage is logged when it begins and when it is over, however long it lasts', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const spoken = createLogger({ service: 'ingest', level: 'info', destination });
    const store = new FakeStore();
    store.answers.push(...Array.from({ length: 20 }, () => new Error('down')));
    const writer = new RecordWriter({ store, logger: spoken, channel: 'news', onLost: () => undefined });
    writer.token = 7;
    writer.write({ currentK: 1 });
    await jest.advanceTimersByTimeAsync(20 * 250);
    expect(store.written).toHaveLength(1);
    expect(lines.map((line) => line.includes('cannot be written'))).toEqual([true, false]);
    expect(lines[1]).toContain('written again');
  });

  describe('writes to a store', () => {
    const PRESENTATION = { windowSegments: 6 } as session.Presentation;
    const changes: SessionChange[] = Array.from({ length: 300 }, (_, ordinal) => [
      { openPeriod: { ...PERIOD, ordinal, firstK: ordinal * 10 }, currentK: ordinal * 10 },
      ...(ordinal === 0 ? [{ presentation: PRESENTATION }] : []),
      { currentK: ordinal * 10 + 1 },
      ...(ordinal === 299 ? [] : [{ endPeriod: { ordinal, lastK: ordinal * 10 + 1 } }]),
    ]).flat();

    /** The record after all changes, each of which goes through `update`. */
    async function recordAfter(
      updateOf: (store: MemorySessionStore) => SessionStore['update'],
    ): Promise<session.SessionRecord | undefined> {
      const store = new MemorySessionStore({ clock: () => 1_795_000_000_000 });
      const outcome = await store.claimPublication({
        channel: 'news',
        takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
        inputPreference: session.InputPreference.PRIMARY,
        graceSeconds: 30,
        ingest: { id: 'ingest-1', address: '' },
        role: control.PublishRole.PRIMARY,
        encoderId: 'encoder-1',
      });
      const { writer } = writerOf({ update: updateOf(store) });
      if (outcome.kind === 'accepted') writer.token = outcome.token;
      for (const change of changes) writer.write(change);
      await writer.settled(FAR);
      for await (const record of store.watch(FAR)) return record;
      return undefined;
    }

    test('nothing that the record keeps is lost while the store is away, whatever comes meanwhile', async () => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
      let isAway = true;
      const updates: SessionChange[] = [];
      const written = recordAfter((store) => async (...request) => {
        if (isAway) throw new Error('down');
        updates.push(request[2]);
        return store.update(...request);
      });
      await jest.advanceTimersByTimeAsync(10_000);
      isAway = false;
      await jest.advanceTimersByTimeAsync(1000);
      const record = await written;
      expect(record?.presentation).toEqual(PRESENTATION);
      expect(record?.currentK).toBe(2991);
      expect(record?.periods.map(({ ordinal, lastK }) => [ordinal, lastK])).toEqual(
        Array.from({ length: 64 }, (_, index) => 236 + index).map((ordinal) => [
          ordinal,
          ordinal === 299 ? undefined : ordinal * 10 + 1,
        ]),
      );
      // What waits is bounded.
      expect(updates.length).toBeLessThan(140);
    });

    test('a change whose answer is lost is sent again, and the record is the same', async () => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
      const plain = recordAfter(
        (store) =>
          (...request) =>
            store.update(...request),
      );
      const twice = recordAfter((store) => {
        let calls = 0;
        return async (...request) => {
          const answer = await store.update(...request);
          calls += 1;
          if (calls % 2 === 1) throw new Error('the connection was cut');
          return answer;
        };
      });
      await jest.advanceTimersByTimeAsync(200 * 250);
      const [once, again] = [await plain, await twice];
      expect(again).toEqual({ ...once, revision: again?.revision, sessionId: again?.sessionId });
    });
  });
});
