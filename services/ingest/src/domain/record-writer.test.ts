import { describe, expect, test } from '@jest/globals';
import { createLogger } from '@millrace/runtime';
import type { SessionChange } from '@millrace/runtime';
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

function writerOf(store: FakeStore): { writer: RecordWriter; lost: number[] } {
  const lost: number[] = [];
  const onLost = (token: number): void => void lost.push(token);
  return { writer: new RecordWriter({ store, logger, channel: 'news', onLost }), lost };
}

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
    const update = (): Promise<boolean> => new Promise(() => undefined);
    const writer = new RecordWriter({ store: { update }, logger, channel: 'news', onLost: () => undefined });
    writer.token = 1;
    writer.write({ currentK: 1 });
    const given = AbortSignal.timeout(5);
    await writer.settled(given);
    expect(given.aborted).toBe(true);
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
});
