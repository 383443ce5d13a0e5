import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { sink } from '@millrace/contracts';
import { Registry } from 'prom-client';
import { FIRST_K, initOf, partOf } from '../../testing/contract-parts.ts';
import type { DuplexCall } from './grpc-channel.ts';
import { createGrpcMetrics } from './grpc-metrics.ts';
import { GrpcSinkStream } from './grpc-sink-stream.ts';
import { PUBLISH } from './methods.ts';

type Answer = NonNullable<sink.PublishResponse['payload']>;

/** A call whose other end is the test. */
class FakeCall implements DuplexCall<sink.PublishResponse> {
  readonly sent: (NonNullable<sink.PublishRequest['payload']> | undefined)[] = [];
  readonly answers: AsyncIterator<sink.PublishResponse, undefined>;
  isEnded = false;
  isCancelled = false;
  readonly #stream: ReadableStreamDefaultController<sink.PublishResponse>;

  constructor() {
    let controller: ReadableStreamDefaultController<sink.PublishResponse> | undefined;
    const stream = new ReadableStream<sink.PublishResponse>({ start: (given) => void (controller = given) });
    this.answers = stream.values() as AsyncIterator<sink.PublishResponse, undefined>;
    this.#stream = controller as ReadableStreamDefaultController<sink.PublishResponse>;
  }

  answer(payload: Answer): void {
    this.#stream.enqueue({ payload });
  }

  over(): void {
    this.#stream.close();
  }

  write(message: Buffer): void {
    this.sent.push(PUBLISH.request.decode(message).payload);
  }

  end(): void {
    this.isEnded = true;
  }

  cancel(): void {
    this.isCancelled = true;
  }
}

const ackOf = (part: number): Answer => ({
  $case: 'ack',
  value: { renditionId: '720p', position: { k: FIRST_K, part } },
});

const refusal = (change: Partial<sink.Refusal> = {}): Answer => ({
  $case: 'refusal',
  value: {
    id: 'PACKAGER_TOKEN_STALE',
    message: 'Token 9 rules',
    rulingToken: 9,
    code: 'FAILED_PRECONDITION',
    isRetryable: false,
    ...change,
  },
});

function open({ maxUnacknowledgedBytes = 1_000_000 } = {}) {
  const call = new FakeCall();
  const abort = new AbortController();
  const metrics = createGrpcMetrics(new Registry());
  const reply = { renditions: [], inits: [] };
  const { signal } = abort;
  const stream = new GrpcSinkStream({ call, reply, signal, maxUnacknowledgedBytes, metrics });
  return { call, abort, metrics, stream };
}

/** How each of them ended, as an id or `taken`. */
async function outcomes(published: readonly Promise<void>[]): Promise<readonly unknown[]> {
  const settled = await Promise.allSettled(published);
  return settled.map((one) => (one.status === 'fulfilled' ? 'taken' : (one.reason as { id?: string }).id));
}

describe('a publish stream over gRPC', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  test('sends in order, and gives each acknowledgement to what was sent first', async () => {
    const { call, stream } = open();
    const order: string[] = [];
    const published = [
      stream.publishInit(initOf('720p')).then(() => order.push('init')),
      stream.publishPart(partOf('720p', 0, 0)).then(() => order.push('0')),
      stream.publishPart(partOf('720p', 0, 1)).then(() => order.push('1')),
    ];
    expect(call.sent.map((payload) => payload?.$case)).toEqual(['init', 'part', 'part']);
    call.answer({ $case: 'ack', value: { renditionId: '720p', position: undefined } });
    call.answer(ackOf(0));
    await Promise.all(published.slice(0, 2));
    expect(order).toEqual(['init', '0']);
    call.answer(ackOf(1));
    await published[2];
    expect(order).toEqual(['init', '0', '1']);
  });

  test('takes what was acknowledged before a refusal, and refuses all that was sent behind it', async () => {
    const { call, stream } = open();
    const published = [0, 1, 2].map((part) => stream.publishPart(partOf('720p', 0, part)));
    call.answer(ackOf(0));
    call.answer(refusal());
    expect(await outcomes(published)).toEqual(['taken', 'PACKAGER_TOKEN_STALE', 'PACKAGER_TOKEN_STALE']);
    await expect(stream.publishPart(partOf('720p', 0, 3))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: { rulingToken: 9 },
      retryable: false,
    });
    expect([call.isCancelled, call.sent.length]).toEqual([true, 3]);
  });

  test.each([
    ['an id that would break a log', { id: 'a\nb' }, { id: 'GRPC_STATUS_INVALID' }],
    ['a code that nobody has', { code: 'FINE' }, { code: 'INTERNAL' }],
  ])('takes nothing on trust from a refusal: %s', async (_, change, expected) => {
    const { call, stream } = open();
    const published = stream.publishPart(partOf('720p', 0, 0));
    call.answer(refusal(change));
    await expect(published).rejects.toMatchObject(expected);
  });

  test.each<[string, Answer]>([
    ['another part', ackOf(1)],
    ['an init segment', { $case: 'ack', value: { renditionId: '720p', position: undefined } }],
    [
      'another rendition',
      { $case: 'ack', value: { renditionId: 'audio', position: { k: FIRST_K, part: 0 } } },
    ],
    ['a hello', { $case: 'helloReply', value: { renditions: [], inits: [] } }],
  ])('fails when the packager answers a part as %s', async (_, answer) => {
    const { call, stream } = open();
    const published = stream.publishPart(partOf('720p', 0, 0));
    call.answer(answer);
    await expect(published).rejects.toMatchObject({ id: 'GRPC_MESSAGE_INVALID' });
    expect(call.isCancelled).toBe(true);
  });

  test('fails when the packager acknowledges what was never sent', async () => {
    const { call, stream } = open();
    call.answer(ackOf(0));
    // The failure is known when the next answer would be read.
    await new Promise((resolve) => setImmediate(resolve));
    await expect(stream.publishPart(partOf('720p', 0, 0))).rejects.toMatchObject({
      id: 'GRPC_MESSAGE_INVALID',
    });
  });

  test('fails as a whole, and is counted, when more waits than is allowed', async () => {
    const { call, metrics, stream } = open({ maxUnacknowledgedBytes: 1000 });
    const data = Buffer.alloc(400);
    const published = [0, 1, 2].map((part) => stream.publishPart(partOf('720p', 0, part, { data })));
    expect(await outcomes(published)).toEqual(Array.from({ length: 3 }, () => 'GRPC_SINK_STALLED'));
    await expect(published[2]).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryable: true });
    expect([call.sent.length, call.isCancelled]).toEqual([2, true]);
    expect((await metrics.stalledStreams.get()).values).toMatchObject([
      { labels: { method: 'RenditionSink/Publish' }, value: 1 },
    ]);
  });

  test('has room again for what was acknowledged, and always for one', async () => {
    const { call, stream } = open({ maxUnacknowledgedBytes: 1000 });
    const data = Buffer.alloc(5000);
    for (const part of [0, 1, 2]) {
      const published = stream.publishPart(partOf('720p', 0, part, { data }));
      call.answer(ackOf(part));
      await published;
    }
    expect(call.sent).toHaveLength(3);
  });

  test('refuses a value that cannot be sent, and goes on', async () => {
    const { call, stream } = open();
    await expect(
      stream.publishPart(partOf('720p', 0, 0, { durationTicks: Number.NaN })),
    ).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      id: 'PACKAGER_INVALID',
    });
    const published = stream.publishPart(partOf('720p', 0, 0));
    call.answer(ackOf(0));
    await published;
  });

  test('fails with a retryable error when the packager ends it without a word', async () => {
    const { call, stream } = open();
    const published = stream.publishPart(partOf('720p', 0, 0));
    call.over();
    await expect(published).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });

  test('after an abort rejects with its reason', async () => {
    const { call, abort, stream } = open();
    const published = stream.publishPart(partOf('720p', 0, 0));
    abort.abort(new Error('the lease is lost'));
    await expect(stream.publishPart(partOf('720p', 0, 1))).rejects.toThrow('the lease is lost');
    call.over();
    await expect(published).rejects.toThrow('the lease is lost');
  });

  test('once closed lets the packager go on with what was sent, and says then that it is over', async () => {
    const { call, stream } = open();
    const published = [0, 1].map((part) => stream.publishPart(partOf('720p', 0, part)));
    stream.close();
    expect([call.isEnded, call.isCancelled]).toEqual([true, false]);
    call.answer(ackOf(0));
    await published[0];
    call.answer(ackOf(1));
    await published[1];
    call.over();
    await expect(stream.publishPart(partOf('720p', 0, 2))).rejects.toMatchObject({
      id: 'PACKAGER_STREAM_CLOSED',
    });
  });

  test('once closed waits for a packager that does not go on no longer than 2 s', async () => {
    jest.useFakeTimers();
    const { call, stream } = open();
    const published = stream.publishPart(partOf('720p', 0, 0));
    stream.close();
    jest.advanceTimersByTime(1999);
    expect(call.isCancelled).toBe(false);
    jest.advanceTimersByTime(1);
    expect(call.isCancelled).toBe(true);
    await expect(published).rejects.toMatchObject({ id: 'PACKAGER_STREAM_CLOSED' });
  });
});
