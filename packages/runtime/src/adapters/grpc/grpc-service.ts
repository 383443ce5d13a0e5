import type { Server } from '@grpc/grpc-js';
import type { CallRunner } from './call-runner.ts';
import { unmarshal } from './method.ts';
import type { Check, Method, Received } from './method.ts';

/** A method that a server has, with what answers it. */
export interface GrpcMethod {
  readonly path: string;
  /** Makes the server answer it. */
  register(server: Server, runner: CallRunner): void;
}

/** The methods of one service. */
export type GrpcService = readonly GrpcMethod[];

const asIs = (bytes: Buffer): Buffer => bytes;

/** A method with one request and one answer; what it throws is the call's error. */
export function unaryMethod<Q, A>(
  method: Method<Q, A>,
  check: Check<Q>,
  answer: (request: Q) => Promise<A>,
): GrpcMethod {
  return registered(method, check, 'unary', (runner) => runner.unary(method, answer));
}

/** A method with one request and a stream of answers, which is taken from as fast as the peer reads. */
export function streamMethod<Q, A>(
  method: Method<Q, A>,
  check: Check<Q>,
  answers: (request: Q, signal: AbortSignal) => AsyncIterable<A>,
): GrpcMethod {
  return registered(method, check, 'serverStream', (runner) => runner.stream(method, answers));
}

/** A method with a stream of requests, which comes as fast as it is read, and a stream of answers. */
export function duplexMethod<Q, A>(
  method: Method<Q, A>,
  check: Check<Q>,
  answers: (requests: AsyncIterator<Q>, signal: AbortSignal) => AsyncIterable<A>,
): GrpcMethod {
  return registered(method, check, 'bidi', (runner) => runner.duplex(method, answers));
}

type Handler<Q> = Parameters<typeof Server.prototype.register<Received<Q>, Buffer>>[1];

function registered<Q, A>(
  method: Method<Q, A>,
  check: Check<Q>,
  kind: 'unary' | 'serverStream' | 'bidi',
  handler: (runner: CallRunner) => Handler<Q>,
): GrpcMethod {
  const read = (bytes: Buffer): Received<Q> => unmarshal(method.request, bytes, check);
  return {
    path: method.path,
    register: (server, runner) =>
      void server.register<Received<Q>, Buffer>(method.path, handler(runner), asIs, read, kind),
  };
}
