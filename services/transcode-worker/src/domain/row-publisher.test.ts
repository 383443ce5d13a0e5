import { beforeEach, describe, expect, test } from '@jest/globals';
import type { sink } from '@millrace/contracts';
import { Registry } from 'prom-client';
import { createWorkerMetrics } from '../metrics.ts';
import { FakeSink } from '../testing/fake-sink.ts';
import { audioRendition, videoRendition } from '../testing/renditions.ts';
import { PartGrid } from './part-grid.ts';
import { PartPublisher } from './part-publisher.ts';
import { RowAuthor } from './row-author.ts';
import { RowPublisher } from './row-publisher.ts';

const grid = new PartGrid({ numerator: 2, denominator: 1 }, { numerator: 1, denominator: 1 });
const renditions = [videoRendition({ id: 'v' }), videoRendition({ id: 'shed' }), audioRendition()];
const END: sink.Position = { k: 12, part: 0 };

let fake: FakeSink;
let rows: RowPublisher;

beforeEach(async () => {
  fake = new FakeSink();
  const stream = await fake.open({ sessionId: 's', leaseToken: 1, from: { k: 0, part: 0 } });
  const author = new RowAuthor({ grid, renditions, reply: stream.reply, from: { k: 0, part: 0 } });
  rows = new RowPublisher({
    ...{
      author,
      renditions,
      session: { channel: 'news', sessionId: 's' },
      clock: Date.now,
      isOnAir: () => true,
    },
    publisher: new PartPublisher(stream, { onAcknowledged: () => undefined, onFailure: () => undefined }),
    events: { emit: () => undefined },
    metrics: createWorkerMetrics(new Registry()),
  });
  author.beginPeriod(0, 10);
});

function publish(renditionId: string, k: number, part: number): void {
  rows.publish(renditionId, {
    ...{ position: { k, part }, baseMediaDecodeTime: k * 180_000 + part * 90_000, durationTicks: 90_000 },
    ...{ isIndependent: true, data: Buffer.from('media') },
  });
}

/** Whether the end was reached by now. */
async function isThere(end: Promise<void>): Promise<boolean> {
  const pending = new Promise<false>((resolve) => setImmediate(() => resolve(false)));
  return Promise.race([end.then(() => true), pending]);
}

describe('a publisher that has a successor', () => {
  test('publishes everything before the successor and nothing more, in every rendition', async () => {
    publish('v', 10, 0);
    const end = rows.endBefore(END);
    for (const [k, part] of [
      [10, 1],
      [11, 0],
      [11, 1],
      [12, 0],
      [12, 1],
    ] as const)
      publish('v', k, part);
    expect(await isThere(end)).toBe(false);
    for (const k of [10, 11, 12]) for (const part of [0, 1]) publish('audio', k, part);
    // A rung that was taken out follows the slowest of the others, as lanes have it.
    expect(await isThere(end)).toBe(false);
    rows.fillGaps('shed', { k: 12, part: 1 });
    expect(await isThere(end)).toBe(true);
    for (const id of ['v', 'shed', 'audio']) {
      expect(fake.window.rowsOf(id).map(({ k, isComplete }) => [k, isComplete])).toEqual([
        [10, true],
        [11, true],
      ]);
    }
  });

  test('that is a whole segment beyond waits for nobody: what others lack is gaps', async () => {
    const end = rows.endBefore(END);
    publish('v', 10, 0);
    publish('v', 13, 0);
    expect(await isThere(end)).toBe(true);
    expect(fake.window.rowsOf('audio').map(({ k, isGap }) => [k, isGap])).toEqual([
      [10, true],
      [11, true],
    ]);
  });

  test('ends a period no further than where the successor begins', async () => {
    publish('v', 10, 0);
    const end = rows.endBefore({ k: 11, part: 0 });
    rows.endPeriod(12);
    expect(await isThere(end)).toBe(true);
    expect(fake.window.rowsOf('v').map(({ k }) => k)).toEqual([10]);
  });
});
