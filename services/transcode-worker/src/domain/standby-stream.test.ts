import { beforeEach, describe, expect, test } from '@jest/globals';
import type { sink } from '@millrace/contracts';
import type { SinkStream } from '@millrace/runtime';
import { StandbyStream } from './standby-stream.ts';

const PARTS_PER_SEGMENT = 2;
const PART_TICKS = 90_000;
const FIRST_K = 100;

let nowMs = 0;
let diverged: string[] = [];

beforeEach(() => {
  nowMs = 0;
  diverged = [];
});

function partOf(k: number, part: number, change: Partial<sink.Part> = {}): sink.Part {
  return {
    renditionId: '720p',
    position: { k, part },
    period: 0,
    msn: k,
    discontinuitySequence: 0,
    hasDiscontinuity: false,
    baseMediaDecodeTime: (k * PARTS_PER_SEGMENT + part) * PART_TICKS,
    durationTicks: PART_TICKS,
    utcOffsetUs: 0,
    isIndependent: part === 0,
    isGap: false,
    isLast: part === PARTS_PER_SEGMENT - 1,
    data: Buffer.alloc(1000, k),
    runFirstK: 0,
    ...change,
  };
}

/** A row of the leader with so many parts. */
function rowOf(k: number, parts = PARTS_PER_SEGMENT, change: Partial<sink.Row> = {}): sink.Row {
  return {
    renditionId: '720p',
    k,
    msn: k,
    discontinuitySequence: 0,
    hasDiscontinuity: false,
    period: 0,
    baseMediaDecodeTime: k * PARTS_PER_SEGMENT * PART_TICKS,
    durationTicks: parts * PART_TICKS,
    utcOffsetUs: 0,
    parts: Array.from({ length: parts }, (_, index) => ({
      ...{ durationTicks: PART_TICKS, sizeBytes: 900, isIndependent: index === 0, isGap: false },
    })),
    isComplete: parts === PARTS_PER_SEGMENT,
    isGap: false,
    runFirstK: FIRST_K,
    ...change,
  };
}

function streamOf(maxHeldBytes = 1e6): StandbyStream {
  return new StandbyStream({
    reply: { renditions: [{ renditionId: '720p', rows: [rowOf(FIRST_K)] }], inits: [] },
    maxHeldBytes,
    nowMs: () => nowMs,
    onDiverged: ({ renditionId, k }) => diverged.push(`${renditionId} ${k}`),
  });
}

/** Packagers that hold the rows up to a position, and take what comes. */
class Packagers implements SinkStream {
  readonly reply: sink.HelloReply;
  readonly taken: string[] = [];
  refusal: Error | undefined;

  constructor(row: sink.Row, resume: sink.Position, inits: readonly sink.InitSegment[] = []) {
    this.reply = { renditions: [{ renditionId: '720p', rows: [row], resume }], inits: [...inits] };
  }

  async publishInit({ period }: sink.InitSegment): Promise<void> {
    this.taken.push(`init ${period}`);
  }

  async publishPart({ position }: sink.Part): Promise<void> {
    if (this.refusal !== undefined) throw this.refusal;
    this.taken.push(`${position?.k}.${position?.part}`);
  }

  close(): void {}
}

/** Two segments of the standby, the second one begun. */
async function publishAhead(stream: StandbyStream): Promise<void> {
  for (const [k, part] of [
    [FIRST_K + 1, 0],
    [FIRST_K + 1, 1],
    [FIRST_K + 2, 0],
  ] as const)
    await stream.publishPart(partOf(k, part));
}

describe('a standby takes over', () => {
  test('within a segment, from the first part that the packagers lack, and goes on', async () => {
    const stream = streamOf();
    await publishAhead(stream);
    stream.noteRows([rowOf(FIRST_K + 1, 1)]);
    const packagers = new Packagers(rowOf(FIRST_K + 1, 1), { k: FIRST_K + 1, part: 1 });
    expect(stream.goLive(packagers)).toBe(FIRST_K + 1);
    expect(packagers.taken).toEqual([`${FIRST_K + 1}.1`, `${FIRST_K + 2}.0`]);
    await stream.publishPart(partOf(FIRST_K + 2, 1));
    expect(packagers.taken.at(-1)).toBe(`${FIRST_K + 2}.1`);
  });

  test('from a leader that is ahead: what it has published is not published again', async () => {
    const stream = streamOf();
    await publishAhead(stream);
    const packagers = new Packagers(rowOf(FIRST_K + 2), { k: FIRST_K + 3, part: 0 });
    expect(stream.goLive(packagers)).toBe(FIRST_K + 3);
    await stream.publishPart(partOf(FIRST_K + 2, 1));
    await stream.publishPart(partOf(FIRST_K + 3, 0));
    expect(packagers.taken).toEqual([`${FIRST_K + 3}.0`]);
  });

  test('with init segments that are not fixed yet', async () => {
    const init = { renditionId: '720p', period: 0, data: Buffer.from('a') };
    const stream = streamOf();
    await stream.publishInit(init);
    await stream.publishInit({ ...init, period: 1 });
    await publishAhead(stream);
    const packagers = new Packagers(rowOf(FIRST_K), { k: FIRST_K + 1, part: 0 }, [init]);
    expect(stream.goLive(packagers)).toBe(FIRST_K + 1);
    expect(packagers.taken[0]).toBe('init 1');
  });

  test.each([
    ['another init segment', rowOf(FIRST_K), { k: FIRST_K + 1, part: 0 }, 'other'],
    ['a part before what is held', rowOf(FIRST_K - 1), { k: FIRST_K, part: 0 }, 'a'],
    ['other numbers', rowOf(FIRST_K, 2, { msn: 7 }), { k: FIRST_K + 1, part: 0 }, 'a'],
    ['a segment that began as a gap', gapRow(), { k: FIRST_K + 1, part: 1 }, 'a'],
    ['a segment that ends elsewhere', longRow(), { k: FIRST_K + 1, part: 1 }, 'a'],
  ])('not where the packagers hold %s', async (_, row, resume, data) => {
    const init = { renditionId: '720p', period: 0, data: Buffer.from('a') };
    const stream = streamOf();
    await stream.publishInit(init);
    await publishAhead(stream);
    const packagers = new Packagers(row, resume, [{ ...init, data: Buffer.from(data) }]);
    expect(stream.goLive(packagers)).toBeUndefined();
    expect(packagers.taken).toEqual([]);
  });

  test('not when what is held was too much, and its oldest parts were dropped', async () => {
    const stream = streamOf(2000);
    await publishAhead(stream);
    expect(stream.goLive(new Packagers(rowOf(FIRST_K), { k: FIRST_K + 1, part: 0 }))).toBeUndefined();
  });

  test('and is told with the next part when the packagers refuse what was held', async () => {
    const stream = streamOf();
    await publishAhead(stream);
    const packagers = new Packagers(rowOf(FIRST_K), { k: FIRST_K + 1, part: 0 });
    packagers.refusal = new Error('out of order');
    stream.goLive(packagers);
    packagers.refusal = undefined;
    await expect(stream.publishPart(partOf(FIRST_K + 2, 1))).rejects.toThrow('out of order');
  });
});

function gapRow(): sink.Row {
  const row = rowOf(FIRST_K + 1, 1);
  return { ...row, parts: row.parts.map((part) => ({ ...part, isGap: true })) };
}

function longRow(): sink.Row {
  return rowOf(FIRST_K + 1, 1, { durationTicks: PART_TICKS + 3000 });
}

describe('a leader', () => {
  test('owes what the standby has and it has not published, gaps apart', async () => {
    const stream = streamOf();
    await stream.publishPart(partOf(FIRST_K + 1, 0));
    nowMs = 300;
    await stream.publishPart(partOf(FIRST_K + 1, 1));
    nowMs = 700;
    expect(stream.owedMs).toBe(700);
    stream.noteRows([rowOf(FIRST_K + 1, 1)]);
    expect(stream.owedMs).toBe(400);
    stream.noteRows([rowOf(FIRST_K + 1)]);
    expect(stream.owedMs).toBe(0);
    await stream.publishPart(partOf(FIRST_K + 2, 0, { isGap: true, data: Buffer.alloc(0) }));
    nowMs = 5000;
    expect(stream.owedMs).toBe(0);
  });

  test.each([
    ['the leader', async (stream: StandbyStream, row: sink.Row) => stream.noteRows([row])],
    ['the standby', async () => undefined],
  ])('that made another row of the same media is told of, when %s has it last', async (_, after) => {
    for (const [row, expected] of [
      [rowOf(FIRST_K + 1), []],
      [rowOf(FIRST_K + 1, 2, { discontinuitySequence: 1 }), [`720p ${FIRST_K + 1}`]],
      [
        rowOf(FIRST_K + 1, 2, {
          parts: rowOf(FIRST_K + 1).parts.map((part) => ({ ...part, isIndependent: true })),
        }),
        [`720p ${FIRST_K + 1}`],
      ],
    ] as const) {
      diverged = [];
      const stream = streamOf();
      if (after.length === 0) stream.noteRows([row]);
      await stream.publishPart(partOf(FIRST_K + 1, 0));
      await stream.publishPart(partOf(FIRST_K + 1, 1));
      await after(stream, row);
      expect(diverged).toEqual(expected);
    }
  });

  test('is held to nothing that the standby did not make from its beginning', async () => {
    const stream = streamOf();
    await stream.publishPart(partOf(FIRST_K + 1, 1));
    stream.noteRows([rowOf(FIRST_K + 1, 2, { msn: 7 })]);
    expect(diverged).toEqual([]);
  });
});
