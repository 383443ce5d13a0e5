import { afterEach, describe, expect, test } from '@jest/globals';
import type { sink } from '@millrace/contracts';
import { FIRST_K, initOf, partOf, segmentOf } from '../testing/contract-parts.ts';
import type { RenditionSink, SinkStream } from './rendition-sink.ts';
import type { SegmentIndex } from './segment-index.ts';

/**
 * A packager behind its ports, with one live session whose record it knows: renditions `720p` (timescale 90000) and `audio`
 * (48000), segments of 2 s, parts of 1 s, target duration 2 s, a window of six segments, preset `low-latency`, and an open
 * period of which no last segment is known.
 */
export interface PackagerFixture {
  readonly sink: RenditionSink;
  readonly index: SegmentIndex;
  readonly sessionId: string;
  /** Makes the session's record say `ended`; resolves once the packager has read it. */
  endSession(): Promise<void>;
  stop(): Promise<void>;
}

/** The rules that every rendition sink keeps. A refusal may end the stream, so no test publishes on after one. */
export function describeRenditionSink(name: string, create: () => Promise<PackagerFixture>): void {
  describe(`rendition sink: ${name}`, () => {
    let fixture: PackagerFixture | undefined;

    afterEach(async () => {
      await fixture?.stop();
      fixture = undefined;
    });

    async function start(): Promise<PackagerFixture> {
      fixture = await create();
      return fixture;
    }

    function open(
      { sink: port, sessionId }: PackagerFixture,
      leaseToken = 1,
      from: sink.Position | undefined = { k: FIRST_K, part: 0 },
      signal = new AbortController().signal,
    ): Promise<SinkStream> {
      return port.open({ sessionId, leaseToken, from }, signal);
    }

    async function publish(stream: SinkStream, parts: readonly sink.Part[]): Promise<void> {
      for (const part of parts) await stream.publishPart(part);
    }

    /** Rows and resume point of a rendition, as the next worker is told. */
    async function held(packager: PackagerFixture, renditionId = '720p', leaseToken = 99) {
      const stream = await open(packager, leaseToken, { k: FIRST_K + 1000, part: 0 });
      stream.close();
      return stream.reply.renditions.find((rendition) => rendition.renditionId === renditionId);
    }

    describe('a hello', () => {
      test('to a session without media is answered with nothing', async () => {
        const stream = await open(await start());
        expect(stream.reply).toEqual({ renditions: [], inits: [] });
      });

      test('is taken for a session that the packager has not heard of', async () => {
        const { sink: port } = await start();
        const hello = { sessionId: 'not-heard-of', leaseToken: 1, from: { k: FIRST_K, part: 0 } };
        const stream = await port.open(hello, new AbortController().signal);
        await publish(stream, segmentOf('720p', 0));
        stream.close();
      });

      test('brings back the rows as they were authored, the init segments and the first part that is missing', async () => {
        const packager = await start();
        const first = await open(packager);
        for (const id of ['720p', 'audio']) await first.publishInit(initOf(id));
        await publish(first, [
          ...segmentOf('720p', 0),
          ...segmentOf('720p', 1, { isGap: true, isIndependent: false, data: Buffer.alloc(0) }),
          partOf('720p', 2, 0),
          ...segmentOf('audio', 0),
        ]);
        first.close();
        const { reply } = await open(packager, 2, { k: FIRST_K + 2, part: 0 });
        const [video, audio] = ['720p', 'audio'].map((id) =>
          reply.renditions.find(({ renditionId }) => renditionId === id),
        );
        expect(video?.resume).toEqual({ k: FIRST_K + 2, part: 1 });
        expect(audio?.resume).toEqual({ k: FIRST_K + 1, part: 0 });
        const partRow = { durationTicks: 90_000, sizeBytes: 100, isIndependent: true, isGap: false };
        const row: sink.Row = {
          renditionId: '720p',
          k: FIRST_K,
          msn: FIRST_K,
          discontinuitySequence: 0,
          hasDiscontinuity: false,
          period: 0,
          baseMediaDecodeTime: FIRST_K * 180_000,
          durationTicks: 180_000,
          utcOffsetUs: 250_000,
          parts: [partRow, { ...partRow, isIndependent: false }],
          isComplete: true,
          isGap: false,
          runFirstK: FIRST_K,
        };
        expect(video?.rows[0]).toEqual(row);
        expect(video?.rows.slice(1)).toMatchObject([
          { k: FIRST_K + 1, isComplete: true, isGap: true },
          { k: FIRST_K + 2, isComplete: false, parts: [partRow] },
        ]);
        expect(reply.inits.map((init) => ({ ...init, data: Buffer.from(init.data) }))).toEqual(
          ['720p', 'audio'].map((id) => initOf(id)),
        );
      });

      test('brings back where the discontinuities are', async () => {
        const packager = await start();
        const stream = await open(packager);
        await publish(stream, segmentOf('720p', 0));
        const row = { period: 1, msn: FIRST_K + 1, discontinuitySequence: 1, hasDiscontinuity: true };
        await publish(stream, segmentOf('720p', 3, row));
        expect((await held(packager))?.rows).toMatchObject([
          { period: 0, discontinuitySequence: 0, hasDiscontinuity: false },
          { k: FIRST_K + 3, ...row },
        ]);
      });

      test('with a token that another one rules is refused, and with the same one taken again', async () => {
        const packager = await start();
        await open(packager, 7);
        await expect(open(packager, 6)).rejects.toMatchObject({
          code: 'FAILED_PRECONDITION',
          id: 'PACKAGER_TOKEN_STALE',
          details: { rulingToken: 7 },
        });
        const again = await open(packager, 7);
        await publish(again, segmentOf('720p', 0));
      });

      test.each([
        ['no token', 0, { k: FIRST_K, part: 0 }],
        ['a token that is no integer', 1.5, { k: FIRST_K, part: 0 }],
        ['a position before all time', 1, { k: -1, part: 0 }],
      ])('with %s is refused', async (_, leaseToken, from) => {
        const packager = await start();
        await expect(open(packager, leaseToken, from)).rejects.toMatchObject({
          code: 'INVALID_ARGUMENT',
          id: 'PACKAGER_INVALID',
        });
      });

      test('without a position is refused', async () => {
        const { sink: port, sessionId } = await start();
        const hello = { sessionId, leaseToken: 1, from: undefined };
        const opening = port.open(hello, new AbortController().signal);
        await expect(opening).rejects.toMatchObject({ id: 'PACKAGER_INVALID' });
      });
    });

    describe('a token', () => {
      test('rules positions, not connections: the worker before goes on below the next one’s first', async () => {
        const packager = await start();
        const before = await open(packager, 1);
        await publish(before, segmentOf('720p', 0));
        const after = await open(packager, 2, { k: FIRST_K + 2, part: 0 });
        await publish(before, segmentOf('720p', 1));
        await expect(before.publishPart(partOf('720p', 2, 0))).rejects.toMatchObject({
          code: 'FAILED_PRECONDITION',
          id: 'PACKAGER_TOKEN_STALE',
          details: { rulingToken: 2 },
        });
        await publish(after, segmentOf('720p', 2));
        await expect(after.publishPart(partOf('720p', 1, 0))).rejects.toMatchObject({
          id: 'PACKAGER_TOKEN_STALE',
        });
        expect((await held(packager))?.resume).toEqual({ k: FIRST_K + 3, part: 0 });
      });

      test('may take over within a segment', async () => {
        const packager = await start();
        const before = await open(packager, 1);
        await publish(before, [partOf('720p', 0, 0)]);
        const after = await open(packager, 2, { k: FIRST_K, part: 1 });
        await publish(after, [partOf('720p', 0, 1)]);
        expect((await held(packager))?.rows).toMatchObject([{ isComplete: true, durationTicks: 180_000 }]);
      });
    });

    describe('a part', () => {
      test('is held once it is acknowledged', async () => {
        const packager = await start();
        const stream = await open(packager);
        await stream.publishPart(partOf('720p', 0, 0));
        expect((await held(packager))?.resume).toEqual({ k: FIRST_K, part: 1 });
      });

      test('need not wait for the acknowledgement of the one before: all are stored in order', async () => {
        const packager = await start();
        const stream = await open(packager);
        const data = Buffer.alloc(100_000, 1);
        const acknowledged: string[] = [];
        const parts = [0, 1, 2, 3, 4, 5].flatMap((index) => [
          ...segmentOf('720p', index, { data }),
          ...segmentOf('audio', index),
        ]);
        const published = parts.map(async (part) => {
          await stream.publishPart(part);
          acknowledged.push(`${part.renditionId} ${part.position?.k}/${part.position?.part}`);
        });
        await Promise.all(published);
        expect(acknowledged).toEqual(
          parts.map(({ renditionId, position }) => `${renditionId} ${position?.k}/${position?.part}`),
        );
        expect((await held(packager))?.rows.map(({ k }) => k - FIRST_K)).toEqual([0, 1, 2, 3, 4, 5]);
      });

      test('that is held is acknowledged again and changes nothing', async () => {
        const packager = await start();
        const stream = await open(packager);
        await publish(stream, segmentOf('720p', 0));
        const before = await held(packager);
        await publish(stream, segmentOf('720p', 0, { data: Buffer.alloc(777) }));
        expect(await held(packager)).toEqual(before);
      });

      test.each([
        ['another row at a held position', partOf('720p', 0, 1, { msn: 5 }), 'CONTRADICTION'],
        ['a number that does not go on', partOf('720p', 1, 0, { msn: FIRST_K + 2 }), 'CONTRADICTION'],
        [
          'a discontinuity that is not counted',
          partOf('720p', 3, 0, { period: 1, msn: FIRST_K + 1 }),
          'CONTRADICTION',
        ],
        [
          'a period that does not say that it is one',
          partOf('720p', 3, 0, { period: 1, msn: FIRST_K + 1, discontinuitySequence: 1 }),
          'CONTRADICTION',
        ],
        ['a discontinuity that is none', partOf('720p', 1, 0, { hasDiscontinuity: true }), 'INVALID'],
        ['a run that is named too early', partOf('720p', 1, 0, { runFirstK: FIRST_K }), 'INVALID'],
        ['a K left out', partOf('720p', 2, 0, { msn: FIRST_K + 1 }), 'OUT_OF_ORDER'],
        ['the second part first', partOf('720p', 1, 1), 'OUT_OF_ORDER'],
        ['no position', partOf('720p', 1, 0, { position: undefined }), 'INVALID'],
        ['a duration below 0', partOf('720p', 1, 0, { durationTicks: -1 }), 'INVALID'],
        ['media in a gap', partOf('720p', 1, 0, { isGap: true }), 'INVALID'],
        ['no media and no gap', partOf('720p', 1, 0, { data: Buffer.alloc(0) }), 'INVALID'],
        ['a rendition id that is no path', partOf('../x', 1, 0), 'INVALID'],
        ['more than the target duration', partOf('720p', 1, 0, { durationTicks: 225_000 }), 'TOO_LONG'],
      ])('with %s is refused by name, and the right one is taken after it', async (_, wrong, id) => {
        const packager = await start();
        const stream = await open(packager);
        await publish(stream, segmentOf('720p', 0));
        await expect(stream.publishPart(wrong)).rejects.toMatchObject({
          name: 'ServiceError',
          id: `PACKAGER_${id}`,
        });
        stream.close();
        await publish(await open(packager), segmentOf('720p', 1));
        expect((await held(packager))?.resume).toEqual({ k: FIRST_K + 2, part: 0 });
      });
    });

    test('the first init segment of a period stays, the same again is taken, another one is refused', async () => {
      const packager = await start();
      const stream = await open(packager);
      await stream.publishInit(initOf('720p'));
      await stream.publishInit(initOf('720p'));
      await expect(stream.publishInit(initOf('720p', 0, 2))).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        id: 'PACKAGER_CONTRADICTION',
      });
      const { inits } = (await open(packager, 2)).reply;
      expect(inits.map(({ data }) => Buffer.from(data))).toEqual([initOf('720p').data]);
    });

    describe('the end of a stream', () => {
      test('is its owner’s to say, once or twice; what was published stays, what follows is refused', async () => {
        const packager = await start();
        const stream = await open(packager);
        await publish(stream, segmentOf('720p', 0));
        stream.close();
        stream.close();
        await expect(stream.publishPart(partOf('720p', 1, 0))).rejects.toMatchObject({
          id: 'PACKAGER_STREAM_CLOSED',
        });
        await expect(stream.publishInit(initOf('720p'))).rejects.toMatchObject({
          id: 'PACKAGER_STREAM_CLOSED',
        });
        expect((await held(packager))?.resume).toEqual({ k: FIRST_K + 1, part: 0 });
      });

      test('comes with an abort, which takes nothing back', async () => {
        const packager = await start();
        const abort = new AbortController();
        const stream = await open(packager, 1, { k: FIRST_K, part: 0 }, abort.signal);
        await publish(stream, segmentOf('720p', 0));
        abort.abort();
        await expect(stream.publishPart(partOf('720p', 1, 0))).rejects.toThrow();
        await expect(open(packager, 1, { k: FIRST_K, part: 0 }, abort.signal)).rejects.toThrow();
        expect((await held(packager))?.resume).toEqual({ k: FIRST_K + 1, part: 0 });
      });

      test.each(['close', 'abort'] as const)('frees the session: it can end after %s', async (how) => {
        const packager = await start();
        const abort = new AbortController();
        const stream = await open(packager, 1, { k: FIRST_K, part: 0 }, abort.signal);
        await publish(stream, segmentOf('720p', 0));
        await packager.endSession();
        // The worker may still bring its last rows.
        await publish(stream, segmentOf('720p', 1));
        if (how === 'close') stream.close();
        else abort.abort();
        const rows: number[] = [];
        const { signal } = new AbortController();
        for await (const response of packager.index.watch(
          { sessionId: packager.sessionId, withParts: false },
          signal,
        ))
          rows.push(...response.rows.map(({ k }) => k - FIRST_K));
        expect(rows).toEqual([0, 1]);
        // Nothing may follow ENDLIST.
        await expect(open(packager, 2)).rejects.toMatchObject({
          code: 'FAILED_PRECONDITION',
          id: 'PACKAGER_SESSION_ENDED',
        });
      });
    });
  });
}
