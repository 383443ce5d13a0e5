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
  /** Another channel to the same server, in another way; it is closed at the end. */
  connect(way?: { readonly address?: string; readonly tls?: LoopbackOptions['tls'] }): Promise<GrpcChannel>;
  stop(): Promise<void>;
}

/** What is served, and to clients with which limits. */
export interface LoopbackOptions {
  readonly services: readonly GrpcService[];
  readonly limits: MessageLimits;
  readonly tls?: z.input<typeof grpcTlsSchema>;
  readonly stallMs?: number;
  /** The system chooses when it is absent. */
  readonly port?: number;
}

/** Starts both. */
export async function startLoopback(options: LoopbackOptions): Promise<Loopback> {
  const { services, limits, stallMs, port = 0 } = options;
  const logger = createLogger({ service: 'test', level: 'error', destination: { write: () => true } });
  const metrics = createGrpcMetrics(new Registry());
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port,
    tls: grpcTlsSchema.parse(options.tls),
    limits: served(limits),
    services,
    logger,
    metrics,
    ...(stallMs === undefined ? {} : { stallMs }),
  });
  const channels: GrpcChannel[] = [];
  const connect: Loopback['connect'] = async (way = {}) => {
    const channel = await GrpcChannel.open({
      address: way.address ?? `127.0.0.1:${server.address.port}`,
      tls: grpcTlsSchema.parse(way.tls ?? options.tls),
      limits,
      logger,
    });
    channels.push(channel);
    return channel;
  };
  return {
    server,
    channel: await connect(),
    metrics,
    connect,
    async stop() {
      for (const channel of channels) channel.close();
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
