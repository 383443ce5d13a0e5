import { afterEach, describe, expect, test } from '@jest/globals';
import type { segmentIndex, sink } from '@millrace/contracts';
import type { RenditionSink } from '../../ports/rendition-sink.ts';
import type { SegmentIndex } from '../../ports/segment-index.ts';
import { FIRST_K, partOf } from '../../testing/contract-parts.ts';
import { eventually } from '../../testing/eventually.ts';
import { MESSAGE_LIMITS } from './grpc-limits.ts';
import { GrpcMediaRelay, mediaRelayService } from './grpc-media-relay.ts';
import { GrpcRenditionSink } from './grpc-rendition-sink.ts';
import { GrpcSegmentIndex, segmentIndexService } from './grpc-segment-index.ts';
import { renditionSinkService } from './rendition-sink-service.ts';
import { EndlessRelay } from './testing/endless-relay.ts';
import { startLoopback } from './testing/loopback.ts';
import type { Loopback } from './testing/loopback.ts';

/** Shorter than in production, where it is 30 s: what is shown is what a peer costs until then. */
const STALL_MS = 150;
/** What gRPC reads ahead of a reader, and a few that are on their way. */
const READ_AHEAD_MESSAGES = 16 + 8;
/** The window of a stream. */
const WINDOW_BYTES = 1024 * 1024;

let loopback: Loopback | undefined;

afterEach(async () => {
  await loopback?.stop();
  loopback = undefined;
});

function iterate<T>(messages: AsyncIterable<T>): AsyncIterator<T> {
  return messages[Symbol.asyncIterator]();
}

async function stalls(method: string): Promise<number> {
  const counted = await loopback?.metrics.stalledStreams.get();
  return counted?.values.find(({ labels }) => labels.method === method)?.value ?? 0;
}

describe('a worker that does not read', () => {
  const request = { sessionId: 'session', period: 0, fromTicks: undefined };

  test('costs ingest one message, and itself what gRPC reads ahead; then it is ended and counted', async () => {
    const endless = new EndlessRelay();
    loopback = await startLoopback({
      services: [mediaRelayService(endless)],
      limits: MESSAGE_LIMITS.relay,
      stallMs: STALL_MS,
    });
    const relay = new GrpcMediaRelay(loopback.channel);
    const reading = iterate(relay.subscribe(request, new AbortController().signal));
    await reading.next();
    await eventually(async () => (await stalls('MediaRelay/Subscribe')) === 1);
    expect(endless.active).toBe(0);
    const bound = READ_AHEAD_MESSAGES * endless.messageBytes + WINDOW_BYTES;
    expect(endless.given * endless.messageBytes).toBeLessThan(bound);
    // Once it reads again it gets what was under way, in order, and why nothing follows.
    let read = 1;
    const rest = async (): Promise<void> => {
      for (; (await reading.next()).done !== true; read += 1);
    };
    await expect(rest()).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      id: 'GRPC_PEER_STALLED',
      retryable: true,
    });
    expect(read).toBeGreaterThan(1);
  });

  test('but reads slowly gets everything, and the ring is read no faster', async () => {
    const endless = new EndlessRelay({ messageBytes: 64 * 1024, maxMessages: 200 });
    loopback = await startLoopback({
      services: [mediaRelayService(endless)],
      limits: MESSAGE_LIMITS.relay,
    });
    const relay = new GrpcMediaRelay(loopback.channel);
    let [read, furthestAhead] = [0, 0];
    for await (const { payload } of relay.subscribe(request, new AbortController().signal)) {
      read += 1;
      expect(payload).toMatchObject({ $case: 'fragments', value: { fragments: [{ dts: read }] } });
      furthestAhead = Math.max(furthestAhead, endless.given - read);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(read).toBe(200);
    expect(furthestAhead).toBeLessThan(READ_AHEAD_MESSAGES + WINDOW_BYTES / endless.messageBytes);
  });
});

test('a reader of rows that does not read is ended and counted', async () => {
  let isActive = false;
  let given = 0;
  const rows = rowsOf(2000);
  const index: SegmentIndex = {
    async *watch(_request, signal): AsyncIterable<segmentIndex.WatchResponse> {
      isActive = true;
      try {
        for (; !signal.aborted; given += 1) yield { rows };
      } finally {
        isActive = false;
      }
    },
  };
  loopback = await startLoopback({
    services: [segmentIndexService(index)],
    limits: MESSAGE_LIMITS.packager,
    stallMs: STALL_MS,
  });
  const remote = new GrpcSegmentIndex(loopback.channel);
  const watching = iterate(
    remote.watch({ sessionId: 'session', withParts: false }, new AbortController().signal),
  );
  expect((await watching.next()).value?.rows).toEqual(rows);
  await eventually(async () => (await stalls('SegmentIndex/Watch')) === 1);
  expect(isActive).toBe(false);
  const messageBytes = rows.length * 40;
  expect(given * messageBytes).toBeLessThan(READ_AHEAD_MESSAGES * messageBytes + 2 * WINDOW_BYTES);
});

describe('a packager that takes nothing', () => {
  /** Says hello and leaves the first part as it is. */
  class StuckSink implements RenditionSink {
    taken = 0;
    isOpen = false;

    async open() {
      this.isOpen = true;
      return {
        reply: { renditions: [], inits: [] },
        publishInit: async () => undefined,
        publishPart: async () => {
          this.taken += 1;
          await new Promise(() => undefined);
        },
        close: () => void (this.isOpen = false),
      };
    }
  }

  const hello: sink.Hello = { sessionId: 'session', leaseToken: 1, from: { k: FIRST_K, part: 0 } };

  test('costs a worker so many bytes and no more; then the stream fails and all of it is free', async () => {
    const stuck = new StuckSink();
    loopback = await startLoopback({
      services: [renditionSinkService(stuck)],
      limits: MESSAGE_LIMITS.packager,
    });
    const maxUnacknowledgedBytes = 8 * 1024 * 1024;
    const { channel, metrics } = loopback;
    const port = new GrpcRenditionSink(channel, { metrics, maxUnacknowledgedBytes });
    const stream = await port.open(hello, new AbortController().signal);
    const data = Buffer.alloc(100_000);
    const failures: unknown[] = [];
    let published = 0;
    while (failures.length === 0) {
      published += 1;
      stream.publishPart(partOf('720p', published, 0, { data })).catch((error) => failures.push(error));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((published - 1) * data.length).toBeLessThanOrEqual(maxUnacknowledgedBytes);
    expect(published * data.length).toBeGreaterThan(0.9 * maxUnacknowledgedBytes);
    expect(failures).toHaveLength(published);
    for (const failure of failures)
      expect(failure).toMatchObject({ code: 'RESOURCE_EXHAUSTED', id: 'GRPC_SINK_STALLED', retryable: true });
    expect(await stalls('RenditionSink/Publish')).toBe(1);
    expect(stuck.taken).toBe(1);
  });

  test('and does not answer the hello has an end', async () => {
    const silent: RenditionSink = { open: async () => new Promise(() => undefined) };
    loopback = await startLoopback({
      services: [renditionSinkService(silent)],
      limits: MESSAGE_LIMITS.packager,
    });
    const { channel, metrics } = loopback;
    const port = new GrpcRenditionSink(channel, { metrics, helloMs: STALL_MS });
    await expect(port.open(hello, new AbortController().signal)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      id: 'GRPC_HELLO_UNANSWERED',
      retryable: true,
    });
  });
});

function rowsOf(count: number): sink.Row[] {
  return Array.from({ length: count }, (_, index) => ({
    renditionId: '720p',
    k: FIRST_K + index,
    msn: FIRST_K + index,
    discontinuitySequence: 0,
    period: 0,
    baseMediaDecodeTime: (FIRST_K + index) * 180_000,
    durationTicks: 180_000,
    utcOffsetUs: 0,
    parts: [],
    isComplete: true,
    isGap: false,
    hasDiscontinuity: false,
    runFirstK: FIRST_K,
  }));
}
