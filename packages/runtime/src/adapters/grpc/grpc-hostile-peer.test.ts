import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Client, credentials } from '@grpc/grpc-js';
import { control, relay, segmentIndex, sink } from '@millrace/contracts';
import type { RenditionSink } from '../../ports/rendition-sink.ts';
import { initOf, partOf } from '../../testing/contract-parts.ts';
import { fromStatus } from './grpc-errors.ts';
import type { ReceivedStatus } from './grpc-errors.ts';
import { controlService, GrpcControl } from './grpc-control.ts';
import { MESSAGE_LIMITS } from './grpc-limits.ts';
import { mediaRelayService } from './grpc-media-relay.ts';
import { segmentIndexService } from './grpc-segment-index.ts';
import { renditionSinkService } from './rendition-sink-service.ts';
import { EndlessRelay } from './testing/endless-relay.ts';
import { startLoopback } from './testing/loopback.ts';
import type { Loopback } from './testing/loopback.ts';

const HELLO_MS = 100;
const asIs = (bytes: Buffer): Buffer => bytes;
const LONG = 'x'.repeat(5000);

/** A message with the session `s`, and with an integer that no `number` holds as the field. */
function tooLarge(field: number): Buffer {
  return Buffer.from([0x0a, 1, 0x73, field * 8, ...Array.from({ length: 8 }, () => 0xff), 0x7f]);
}

const RELAY = relay.MediaRelayService;
const SUBSCRIBE = RELAY.subscribe.path;
const OPEN_PERIOD = RELAY.openPeriod.path;
const PUBLISH = sink.RenditionSinkService.publish.path;
const WATCH = segmentIndex.SegmentIndexService.watch.path;
const AUTHORIZE = control.ControlService.authorizePublish.path;

const hello = { $case: 'hello', value: { sessionId: 's', leaseToken: 1, from: { k: 1, part: 0 } } } as const;
const request = (payload: sink.PublishRequest['payload']): Buffer =>
  Buffer.from(sink.PublishRequest.encode({ payload }).finish());

/** Takes everything, and says what it was given and what of it is open. */
class OpenSink implements RenditionSink {
  openStreams = 0;
  readonly taken: string[] = [];

  async open() {
    this.openStreams += 1;
    return {
      reply: { renditions: [], inits: [] },
      publishInit: async () => void this.taken.push('init'),
      publishPart: async () => void this.taken.push('part'),
      close: () => void (this.openStreams -= 1),
    };
  }
}

describe('a peer that keeps to no contract', () => {
  let loopback: Loopback;
  let client: Client;
  let port: OpenSink;

  beforeEach(async () => {
    port = new OpenSink();
    loopback = await startLoopback({
      services: [
        mediaRelayService(new EndlessRelay({ messageBytes: 10, maxMessages: 1 })),
        renditionSinkService(port, { helloMs: HELLO_MS }),
        segmentIndexService({ watch: async function* () {} }),
        controlService({
          authorizePublish: async ({ app }) => ({
            result: app === '' ? undefined : { $case: 'refusal', value: 1 },
          }),
        }),
      ],
      limits: MESSAGE_LIMITS.control,
    });
    client = new Client(`127.0.0.1:${loopback.server.address.port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_send_message_length': -1,
    });
  });

  afterEach(async () => {
    client.close();
    await loopback.stop();
  });

  /** Sends the messages and gives how the call ended, and the last answer before. */
  async function call(path: string, messages: readonly Buffer[], { isHeldOpen = false } = {}) {
    const stream = client.makeBidiStreamRequest(path, asIs, asIs);
    const { promise, resolve } = Promise.withResolvers<ReceivedStatus>();
    let last: Buffer | undefined;
    stream.on('data', (answer: Buffer) => (last = answer));
    stream.on('error', () => undefined);
    stream.on('status', resolve);
    for (const message of messages) stream.write(message);
    if (!isHeldOpen) stream.end();
    const status = await promise;
    const { payload } = last === undefined ? { payload: undefined } : sink.PublishResponse.decode(last);
    return { status, refusal: payload?.$case === 'refusal' ? payload.value : undefined };
  }

  const invalid = { code: 'INVALID_ARGUMENT', id: 'GRPC_MESSAGE_INVALID' };

  test.each([
    ['Subscribe, nothing', SUBSCRIBE, Buffer.alloc(0)],
    ['Subscribe, no message', SUBSCRIBE, Buffer.alloc(100, 0xff)],
    ['Subscribe, an integer that no number holds', SUBSCRIBE, tooLarge(3)],
    [
      'Subscribe, an id without end',
      SUBSCRIBE,
      Buffer.from(relay.SubscribeRequest.encode({ sessionId: LONG, period: 0, fromTicks: 0 }).finish()),
    ],
    ['OpenPeriod, nothing', OPEN_PERIOD, Buffer.alloc(0)],
    ['OpenPeriod, an integer that no number holds', OPEN_PERIOD, tooLarge(2)],
    [
      'OpenPeriod, a reason without end',
      OPEN_PERIOD,
      Buffer.from(
        relay.OpenPeriodRequest.encode({
          sessionId: 's',
          leaseToken: 1,
          reason: LONG,
          afterPeriod: 0,
        }).finish(),
      ),
    ],
    ['Watch, nothing', WATCH, Buffer.alloc(0)],
    ['AuthorizePublish, no message', AUTHORIZE, Buffer.from([0x0a, 0x7f])],
    [
      'AuthorizePublish, an application without end',
      AUTHORIZE,
      Buffer.from(
        control.AuthorizePublishRequest.encode({
          app: LONG,
          streamKeySha256: Buffer.alloc(32),
          remoteAddress: '',
        }).finish(),
      ),
    ],
  ])('is refused by name: %s', async (_, path, message) => {
    const { status } = await call(path, [message]);
    expect(fromStatus(status)).toMatchObject(invalid);
  });

  test.each<[string, readonly Buffer[]]>([
    ['nothing at all', []],
    ['no message', [Buffer.alloc(100, 0xff)]],
    ['an empty message', [Buffer.alloc(0)]],
    ['a part in front of the hello', [request({ $case: 'part', value: partOf('720p', 0, 0) })]],
    ['an init segment in front of the hello', [request({ $case: 'init', value: initOf('720p') })]],
    ['a hello without a session', [request({ $case: 'hello', value: { ...hello.value, sessionId: '' } })]],
    ['a second hello', [request(hello), request(hello)]],
    ['no message behind the hello', [request(hello), Buffer.alloc(100, 0xff)]],
    ['a rendition without end', [request(hello), request({ $case: 'part', value: partOf(LONG, 0, 0) })]],
  ])('is refused by name in place of parts: %s', async (_, messages) => {
    const { refusal } = await call(PUBLISH, messages);
    expect(refusal).toMatchObject(invalid);
    expect([port.openStreams, port.taken]).toEqual([0, []]);
  });

  test('and says nothing is let go', async () => {
    const { refusal } = await call(PUBLISH, [], { isHeldOpen: true });
    expect(refusal).toMatchObject({ code: 'DEADLINE_EXCEEDED', id: 'GRPC_HELLO_MISSING' });
  });

  test('and sends a message over the limit ends its own call only', async () => {
    const large = Buffer.alloc(MESSAGE_LIMITS.control.maxSendBytes + 1);
    const good = call(PUBLISH, [request(hello), request({ $case: 'part', value: partOf('720p', 0, 0) })]);
    const { status } = await call(PUBLISH, [request(hello), large]);
    expect(fromStatus(status)).toMatchObject({ code: 'RESOURCE_EXHAUSTED', id: 'GRPC_RESOURCE_EXHAUSTED' });
    expect((await good).status.code).toBe(0);
    expect(port.taken).toEqual(['part']);
    while (port.openStreams > 0) await turn();
  });

  test('and calls what is not served is told so', async () => {
    const { status } = await call('/millrace.relay.v1.MediaRelay/Rewind', [Buffer.alloc(0)]);
    expect(fromStatus(status)).toMatchObject({ code: 'INTERNAL', id: 'GRPC_UNIMPLEMENTED' });
  });

  test('and answers a question with nothing is a named error for who asks', async () => {
    const asking = new GrpcControl(loopback.channel, (call) => call()).authorizePublish({
      app: '',
      streamKeySha256: Buffer.alloc(32),
      remoteAddress: '',
    });
    await expect(asking).rejects.toMatchObject({ id: 'GRPC_MESSAGE_INVALID' });
  });
});
