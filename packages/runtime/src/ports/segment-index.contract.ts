import { afterEach, describe, expect, test } from '@jest/globals';
import type { segmentIndex, sink } from '@millrace/contracts';
import { FIRST_K, partOf, segmentOf } from '../testing/contract-parts.ts';
import type { PackagerFixture } from './rendition-sink.contract.ts';
import type { SinkStream } from './rendition-sink.ts';

const WINDOW_SEGMENTS = 6;

/** Reads a watch row by row, however they are spread over messages. */
class RowReader {
  readonly #responses: AsyncIterator<segmentIndex.WatchResponse>;
  #rows: sink.Row[] = [];

  constructor(
    packager: PackagerFixture,
    sessionId = packager.sessionId,
    signal = new AbortController().signal,
    withParts = false,
  ) {
    this.#responses = packager.index.watch({ sessionId, withParts }, signal)[Symbol.asyncIterator]();
  }

  /** The next message as it came; `undefined` at the end. */
  async message(): Promise<readonly sink.Row[] | undefined> {
    const result = await this.#responses.next();
    return result.done === true ? undefined : result.value.rows;
  }

  /** The next `count` rows as `720p 3`: rendition and segment, counted from the first; fewer at the end. */
  async take(count: number): Promise<readonly string[]> {
    while (this.#rows.length < count) {
      const rows = await this.message();
      if (rows === undefined) break;
      this.#rows.push(...rows);
    }
    return this.#rows.splice(0, count).map(nameOf);
  }

  /** True when nothing follows. */
  async isOver(): Promise<boolean> {
    return this.#rows.length === 0 && (await this.message()) === undefined;
  }
}

function nameOf({ renditionId, k }: sink.Row): string {
  return `${renditionId} ${k - FIRST_K}`;
}

/** The rules that every segment index keeps. */
export function describeSegmentIndex(name: string, create: () => Promise<PackagerFixture>): void {
  describe(`segment index: ${name}`, () => {
    let fixture: PackagerFixture | undefined;

    afterEach(async () => {
      await fixture?.stop();
      fixture = undefined;
    });

    async function start(): Promise<PackagerFixture> {
      fixture = await create();
      return fixture;
    }

    function open({ sink: port, sessionId }: PackagerFixture, id = sessionId): Promise<SinkStream> {
      const hello = { sessionId: id, leaseToken: 1, from: { k: FIRST_K, part: 0 } };
      return port.open(hello, new AbortController().signal);
    }

    async function publish(
      stream: SinkStream,
      indexes: readonly number[],
      ids: readonly string[] = ['720p'],
    ): Promise<void> {
      for (const index of indexes)
        for (const part of ids.flatMap((id) => segmentOf(id, index))) await stream.publishPart(part);
    }

    test('the first message has the window of every rendition, in order within each', async () => {
      const packager = await start();
      await publish(await open(packager), [0, 1, 2, 3, 4, 5, 6, 7], ['720p', 'audio']);
      const rows = (await new RowReader(packager).message()) ?? [];
      for (const id of ['720p', 'audio'])
        expect(rows.filter(({ renditionId }) => renditionId === id).map(nameOf)).toEqual(
          [2, 3, 4, 5, 6, 7].map((index) => `${id} ${index}`),
        );
      expect(rows).toHaveLength(2 * WINDOW_SEGMENTS);
    });

    test('a row comes once, when its segment is complete, as it was authored', async () => {
      const packager = await start();
      const stream = await open(packager);
      await publish(stream, [0]);
      const reader = new RowReader(packager);
      expect(await reader.take(1)).toEqual(['720p 0']);
      const row = { period: 1, msn: FIRST_K + 1, discontinuitySequence: 1, hasDiscontinuity: true };
      await stream.publishPart(partOf('720p', 3, 0, row));
      const next = reader.message();
      await stream.publishPart(partOf('720p', 3, 1, { ...row, runFirstK: FIRST_K + 3 }));
      expect(await next).toEqual([
        {
          ...row,
          renditionId: '720p',
          k: FIRST_K + 3,
          baseMediaDecodeTime: (FIRST_K + 3) * 180_000,
          durationTicks: 180_000,
          utcOffsetUs: 250_000,
          isComplete: true,
          isGap: false,
          runFirstK: FIRST_K + 3,
          parts: [0, 1].map((part) => ({
            durationTicks: 90_000,
            sizeBytes: 100,
            isIndependent: part === 0,
            isGap: false,
          })),
        },
      ]);
    });

    test('readers do not disturb each other, and one may come later', async () => {
      const packager = await start();
      const stream = await open(packager);
      await publish(stream, [0]);
      const one = new RowReader(packager);
      expect(await one.take(1)).toEqual(['720p 0']);
      await publish(stream, [1]);
      const other = new RowReader(packager);
      expect(await other.take(2)).toEqual(['720p 0', '720p 1']);
      expect(await one.take(1)).toEqual(['720p 1']);
    });

    test('a slow reader gets messages of a window at most, in order, without repetition, up to the newest row', async () => {
      const packager = await start();
      const stream = await open(packager);
      await publish(stream, [0]);
      const reader = new RowReader(packager);
      await reader.message();
      const last = 60;
      await publish(
        stream,
        Array.from({ length: last }, (_, index) => index + 1),
        ['720p', 'audio'],
      );
      const seen = new Map<string, number>();
      const isComplete = (): boolean => ['720p', 'audio'].every((id) => seen.get(id) === FIRST_K + last);
      while (!isComplete()) {
        const rows = (await reader.message()) ?? [];
        expect(rows.length).toBeGreaterThan(0);
        expect(rows.length).toBeLessThanOrEqual(2 * WINDOW_SEGMENTS);
        for (const { renditionId, k } of rows) {
          expect(k).toBeGreaterThan(seen.get(renditionId) ?? 0);
          seen.set(renditionId, k);
        }
      }
    });

    test('who asks for parts gets the row that is not complete as well, with each part of it', async () => {
      const packager = await start();
      const stream = await open(packager);
      await publish(stream, [0]);
      await stream.publishPart(partOf('720p', 1, 0));
      const reader = new RowReader(packager, packager.sessionId, new AbortController().signal, true);
      const nextRow = async (): Promise<unknown> =>
        (await reader.message())?.map((row) => [nameOf(row), row.parts.length, row.isComplete]);
      expect(await nextRow()).toEqual([
        ['720p 0', 2, true],
        ['720p 1', 1, false],
      ]);
      await stream.publishPart(partOf('720p', 1, 1));
      expect(await nextRow()).toEqual([['720p 1', 2, true]]);
      await stream.publishPart(partOf('720p', 2, 0));
      expect(await nextRow()).toEqual([['720p 2', 1, false]]);
    });

    test('a session that nobody knows yet is awaited', async () => {
      const packager = await start();
      const first = new RowReader(packager, 'later').take(1);
      await publish(await open(packager, 'later'), [0]);
      expect(await first).toEqual(['720p 0']);
    });

    test('an abort ends it, whether rows are awaited or the session', async () => {
      const packager = await start();
      await publish(await open(packager), [0]);
      const abort = new AbortController();
      const known = new RowReader(packager, packager.sessionId, abort.signal);
      expect(await known.take(1)).toEqual(['720p 0']);
      const unknown = new RowReader(packager, 'never', abort.signal);
      const over = Promise.all([known.isOver(), unknown.isOver()]);
      abort.abort();
      expect(await over).toEqual([true, true]);
      expect(await new RowReader(packager, packager.sessionId, abort.signal).isOver()).toBe(true);
    });

    test('it ends with the session, after the last row; who comes then gets the window', async () => {
      const packager = await start();
      const stream = await open(packager);
      await publish(stream, [0]);
      const reader = new RowReader(packager);
      expect(await reader.take(1)).toEqual(['720p 0']);
      await packager.endSession();
      await publish(stream, [1]);
      stream.close();
      expect(await reader.take(1)).toEqual(['720p 1']);
      expect(await reader.isOver()).toBe(true);
      const late = new RowReader(packager);
      expect(await late.take(2)).toEqual(['720p 0', '720p 1']);
      expect(await late.isOver()).toBe(true);
    });
  });
}
