import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../testing/eventually.ts';
import { LossyProxy } from '../../testing/lossy-proxy.ts';
import { partOf } from '../../testing/contract-parts.ts';
import type { RenditionSink } from '../../ports/rendition-sink.ts';
import type { GrpcChannel } from './grpc-channel.ts';
import { MESSAGE_LIMITS } from './grpc-limits.ts';
import { GrpcMediaRelay, mediaRelayService } from './grpc-media-relay.ts';
import { GrpcRenditionSink } from './grpc-rendition-sink.ts';
import type { GrpcService } from './grpc-service.ts';
import { unaryMethod } from './grpc-service.ts';
import { checkNothing } from './message-checks.ts';
import { AUTHORIZE_PUBLISH } from './methods.ts';
import { renditionSinkService } from './rendition-sink-service.ts';
import { echo, echoService, grantOf } from './testing/echo.ts';
import { EndlessRelay } from './testing/endless-relay.ts';
import { startLoopback } from './testing/loopback.ts';
import type { Loopback } from './testing/loopback.ts';

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function start(...services: readonly GrpcService[]): Promise<Loopback> {
  const loopback = await startLoopback({ services, limits: MESSAGE_LIMITS.packager });
  stops.push(() => loopback.stop());
  return loopback;
}

async function startProxy(loopback: Loopback): Promise<{ proxy: LossyProxy; channel: GrpcChannel }> {
  const proxy = await LossyProxy.start(loopback.server.address.port);
  stops.push(() => proxy.stop());
  return { proxy, channel: await loopback.connect({ address: `127.0.0.1:${proxy.port}` }) };
}

/** A service whose answer the test gives. */
function heldEcho() {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const service: GrpcService = [
    unaryMethod(AUTHORIZE_PUBLISH, checkNothing, async ({ app }) => {
      ask();
      await held;
      return grantOf(app);
    }),
  ];
  return { asked, release, service };
}

const REQUEST = { sessionId: 'session', period: 0, fromTicks: undefined };
const HELLO = { sessionId: 'session', leaseToken: 1, from: { k: 1, part: 0 } };

const signal = (): AbortSignal => new AbortController().signal;

const LOST = { name: 'ServiceError', code: 'UNAVAILABLE', retryable: true };

/** Takes what is published when the test says so. */
function heldSink(): { readonly port: RenditionSink; readonly taken: Promise<void> } {
  const { promise: taken, resolve } = Promise.withResolvers<void>();
  const port: RenditionSink = {
    open: async () => ({
      reply: { renditions: [], inits: [] },
      publishInit: async () => undefined,
      async publishPart() {
        resolve();
        await new Promise(() => undefined);
      },
      close: () => undefined,
    }),
  };
  return { port, taken };
}

describe('a connection that is lost', () => {
  test.each(['the server is killed', 'the connection is cut'])(
    'in the middle of a stream is a retryable error for its reader, and frees what it read: %s',
    async (how) => {
      const endless = new EndlessRelay({ messageBytes: 1000 });
      const loopback = await start(mediaRelayService(endless));
      const { proxy, channel } = await startProxy(loopback);
      const reading = async (): Promise<void> => {
        let read = 0;
        for await (const _ of new GrpcMediaRelay(channel).subscribe(REQUEST, signal())) {
          read += 1;
          if (read !== 50) continue;
          if (how.includes('server')) void loopback.server.stop(0);
          else void proxy.stop();
        }
      };
      await expect(reading()).rejects.toMatchObject(LOST);
      await eventually(() => endless.active === 0);
    },
  );

  test.each(['the server is killed', 'the connection is cut'])(
    'while parts wait for their acknowledgement fails all of them as retryable: %s',
    async (how) => {
      const { port, taken } = heldSink();
      const loopback = await start(renditionSinkService(port));
      const { proxy, channel } = await startProxy(loopback);
      const stream = await new GrpcRenditionSink(channel, { metrics: loopback.metrics }).open(
        HELLO,
        signal(),
      );
      const published = Promise.allSettled([0, 1].map((part) => stream.publishPart(partOf('720p', 0, part))));
      await taken;
      if (how.includes('server')) await loopback.server.stop(0);
      else await proxy.stop();
      expect(await published).toMatchObject([
        { status: 'rejected', reason: LOST },
        { status: 'rejected', reason: LOST },
      ]);
      await expect(stream.publishPart(partOf('720p', 0, 2))).rejects.toMatchObject(LOST);
    },
  );

  test('is made again by the next call', async () => {
    const loopback = await start(echoService);
    const { proxy, channel } = await startProxy(loopback);
    expect(await echo(channel, 'one')).toBe('one');
    proxy.loseAnswer();
    await expect(echo(channel, 'two')).rejects.toMatchObject(LOST);
    expect(
      await eventually(() =>
        echo(channel, 'three').catch((error: unknown) => {
          expect(error).toMatchObject(LOST);
          return undefined;
        }),
      ),
    ).toBe('three');
  });
});

describe('a channel', () => {
  test('to an address where nobody listens says so', async () => {
    const loopback = await start();
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const channel = await loopback.connect({ address: `127.0.0.1:${port}` });
    await expect(echo(channel, 'hello')).rejects.toMatchObject({
      ...LOST,
      id: 'GRPC_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('waits for an answer no longer than is said', async () => {
    const { service } = heldEcho();
    const { channel } = await start(service);
    await expect(echo(channel, 'hello', 50)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      id: 'GRPC_DEADLINE_EXCEEDED',
      retryable: true,
    });
  });

  test('that is closed ends what is under way, and takes no more', async () => {
    const { service, asked } = heldEcho();
    const { port, taken } = heldSink();
    const endless = new EndlessRelay({ messageBytes: 1000 });
    const loopback = await start(service, mediaRelayService(endless), renditionSinkService(port));
    const { channel, metrics } = loopback;
    const answer = echo(channel, 'hello');
    const reading = new GrpcMediaRelay(channel).subscribe(REQUEST, signal())[Symbol.asyncIterator]();
    await reading.next();
    const stream = await new GrpcRenditionSink(channel, { metrics }).open(HELLO, signal());
    const published = stream.publishPart(partOf('720p', 0, 0));
    const toEnd = async (): Promise<void> => {
      while ((await reading.next()).done !== true);
    };
    const ends = Promise.allSettled([answer, toEnd(), published]);
    await Promise.all([asked, taken]);
    channel.close();
    const closed = { status: 'rejected', reason: { id: 'GRPC_CHANNEL_CLOSED', retryable: false } };
    expect(await ends).toMatchObject([closed, closed, closed]);
    await expect(echo(channel, 'again')).rejects.toMatchObject({ id: 'GRPC_CHANNEL_CLOSED' });
    await eventually(() => endless.active === 0);
  });
});

describe('a server', () => {
  test('lets a call under way end when it is stopped, and takes no other', async () => {
    const { service, asked, release } = heldEcho();
    const loopback = await start(service);
    const { channel, server } = loopback;
    const answer = echo(channel, 'hello');
    await asked;
    const stopped = server.stop(10_000);
    await expect(echo(await loopback.connect(), 'late')).rejects.toMatchObject(LOST);
    release();
    expect(await answer).toBe('hello');
    await stopped;
  });

  test('breaks off at the deadline what does not end', async () => {
    const { service, asked } = heldEcho();
    const { channel, server } = await start(service);
    const answer = echo(channel, 'hello').catch((error: unknown) => error);
    await asked;
    await server.stop(20);
    expect(await answer).toMatchObject(LOST);
  });

  test('frees a subscription when its reader aborts, and when it leaves', async () => {
    const endless = new EndlessRelay({ messageBytes: 1000 });
    const { channel } = await start(mediaRelayService(endless));
    const relay = new GrpcMediaRelay(channel);
    const abort = new AbortController();
    for await (const _ of relay.subscribe(REQUEST, abort.signal)) abort.abort();
    for await (const _ of relay.subscribe(REQUEST, signal())) break;
    await eventually(() => endless.active === 0 && endless.given > 1);
  });

  test('says which port it cannot have', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    stops.push(() => new Promise((resolve) => void taken.close(() => resolve())));
    const { port } = taken.address() as AddressInfo;
    const starting = startLoopback({ services: [], limits: MESSAGE_LIMITS.control, port });
    await expect(starting).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      id: 'LISTEN_FAILED',
      message: `The gRPC port 127.0.0.1:${port} is taken by another program: stop it or set another port.`,
    });
  });

  test('that fails in a way without a name says nothing of it, and counts it', async () => {
    const failing: GrpcService = [
      unaryMethod(AUTHORIZE_PUBLISH, checkNothing, () => Promise.reject(new TypeError('secret'))),
    ];
    const { channel, metrics } = await start(failing);
    await expect(echo(channel, 'hello')).rejects.toMatchObject({
      code: 'INTERNAL',
      id: 'GRPC_HANDLER_FAILED',
      message: expect.not.stringContaining('secret'),
    });
    expect((await metrics.failedCalls.get()).values).toMatchObject([
      { labels: { method: 'Control/AuthorizePublish', error: 'GRPC_HANDLER_FAILED' }, value: 1 },
    ]);
  });
});
