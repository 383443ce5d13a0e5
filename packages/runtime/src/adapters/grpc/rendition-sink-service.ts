import { setTimeout as sleep } from 'node:timers/promises';
import type { sink } from '@millrace/contracts';
import type { RenditionSink, SinkStream } from '../../ports/rendition-sink.ts';
import { ServiceError } from '../../service-error.ts';
import { duplexMethod } from './grpc-service.ts';
import type { GrpcService } from './grpc-service.ts';
import { checkPublish } from './message-checks.ts';
import { invalidMessage } from './method.ts';
import { PUBLISH } from './methods.ts';
import { toRefusal } from './sink-refusal.ts';

/** How long a worker may be silent after it has called. */
const HELLO_DEADLINE_MS = 10_000;

/** Serves a `RenditionSink`. */
export function renditionSinkService(
  port: RenditionSink,
  { helloMs = HELLO_DEADLINE_MS }: { readonly helloMs?: number } = {},
): GrpcService {
  return [
    duplexMethod(PUBLISH, checkPublish, (requests, signal) => publish(port, requests, { signal, helloMs })),
  ];
}

type Requests = AsyncIterator<sink.PublishRequest>;

/**
 * Takes one message after the other and answers each. What the sink refuses is answered in its place and ends the stream, so
 * that the worker gets every acknowledgement in front of it: a status would overtake them.
 */
async function* publish(
  port: RenditionSink,
  requests: Requests,
  { signal, helloMs }: { readonly signal: AbortSignal; readonly helloMs: number },
): AsyncGenerator<sink.PublishResponse, void, undefined> {
  let stream: SinkStream | undefined;
  try {
    stream = await port.open(await readHello(requests, helloMs), signal);
    yield { payload: { $case: 'helloReply', value: stream.reply } };
    for (;;) {
      const next = await requests.next();
      if (next.done === true) return;
      yield { payload: { $case: 'ack', value: await take(stream, next.value) } };
    }
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    yield { payload: { $case: 'refusal', value: toRefusal(error) } };
  } finally {
    stream?.close();
  }
}

async function readHello(requests: Requests, helloMs: number): Promise<sink.Hello> {
  const given = new AbortController();
  const silence = sleep(helloMs, undefined, { signal: given.signal }).then(() => {
    throw new ServiceError(
      'DEADLINE_EXCEEDED',
      'GRPC_HELLO_MISSING',
      `No hello came within ${helloMs} ms of the call; say hello first`,
      { retryable: true },
    );
  });
  try {
    const first = await Promise.race([requests.next(), silence]);
    const payload = first.done === true ? undefined : first.value.payload;
    if (payload?.$case !== 'hello') throw invalidMessage('a hello has to come first');
    return payload.value;
  } finally {
    given.abort();
    silence.catch(() => undefined);
  }
}

async function take(stream: SinkStream, { payload }: sink.PublishRequest): Promise<sink.Ack> {
  if (payload?.$case === 'part') {
    await stream.publishPart(payload.value);
    const { renditionId, position } = payload.value;
    return { renditionId, position };
  }
  if (payload?.$case === 'init') {
    await stream.publishInit(payload.value);
    return { renditionId: payload.value.renditionId, position: undefined };
  }
  throw invalidMessage('a stream has one hello');
}
