import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { Registry } from 'prom-client';
import type { z } from 'zod';
import { createLogger } from '../../../logger.ts';
import { createCertificates } from '../../kafka/testing/certificates.ts';
import { GrpcChannel } from '../grpc-channel.ts';
import { served } from '../grpc-limits.ts';
import type { MessageLimits } from '../grpc-limits.ts';
import { createGrpcMetrics } from '../grpc-metrics.ts';
import type { GrpcMetrics } from '../grpc-metrics.ts';
import { startGrpcServer } from '../grpc-server.ts';
import type { RunningGrpcServer } from '../grpc-server.ts';
import type { GrpcService } from '../grpc-service.ts';
import { grpcTlsSchema } from '../grpc-tls.ts';

/** How long a server may take to stop before what is under way is broken off. */
const STOP_MS = 100;

/** A server on a loopback port and a channel to it. */
export interface Loopback {
  readonly server: RunningGrpcServer;
  readonly channel: GrpcChannel;
  /** Of both sides. */
  readonly metrics: GrpcMetrics;
  /** Another channel to the same server, or to another port; the caller closes it. */
  connect(port?: number): Promise<GrpcChannel>;
  stop(): Promise<void>;
}

/** What is served, and to clients with which limits. */
export interface LoopbackOptions {
  readonly services: readonly GrpcService[];
  readonly limits: MessageLimits;
  readonly tls?: z.input<typeof grpcTlsSchema>;
  readonly stallMs?: number;
}

/** Starts both. */
export async function startLoopback(options: LoopbackOptions): Promise<Loopback> {
  const tls = grpcTlsSchema.parse(options.tls);
  const { services, limits, stallMs } = options;
  const logger = createLogger({ service: 'test', level: 'error', destination: { write: () => true } });
  const metrics = createGrpcMetrics(new Registry());
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    tls,
    limits: served(limits),
    services,
    logger,
    metrics,
    ...(stallMs === undefined ? {} : { stallMs }),
  });
  const connect = (port = server.address.port): Promise<GrpcChannel> =>
    GrpcChannel.open({ address: `127.0.0.1:${port}`, tls, limits, logger });
  const channel = await connect();
  return {
    server,
    channel,
    metrics,
    connect,
    async stop() {
      channel.close();
      await server.stop(STOP_MS);
    },
  };
}

/** Starts a server and a channel in one way. */
export type StartLoopback = (options: Omit<LoopbackOptions, 'tls'>) => Promise<Loopback>;

/** Describes the same suites twice: in the clear, and over TLS with certificates that both sides show. */
export function describeOverGrpc(suites: (security: string, start: StartLoopback) => void): void {
  suites('over gRPC', startLoopback);
  describe('secured', () => {
    let directory = '';
    let tls: NonNullable<LoopbackOptions['tls']> = {};
    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), 'millrace-grpc-'));
      tls = mutualTls(directory);
    });
    afterAll(() => rmSync(directory, { recursive: true, force: true }));
    suites('over gRPC with mutual TLS', (options) => startLoopback({ ...options, tls }));
  });
}

/** Settings under which both sides show a certificate and ask for one, from files made in the folder. */
export function mutualTls(directory: string): NonNullable<LoopbackOptions['tls']> {
  const { caFile, clientCertFile, clientKeyFile } = createCertificates(directory);
  return {
    enabled: true,
    certFile: clientCertFile,
    keyFile: clientKeyFile,
    caFile,
    requireClientCertificate: true,
  };
}
