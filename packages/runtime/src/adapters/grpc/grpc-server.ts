import type { ChannelOptions } from '@grpc/grpc-js';
import { listenFailure } from '../../listen.ts';
import type { Logger } from '../../logger.ts';
import { CallRunner } from './call-runner.ts';
import { serverCredentials } from './grpc-credentials.ts';
import { KEEPALIVE_OPTIONS, messageLimitOptions } from './grpc-limits.ts';
import type { MessageLimits } from './grpc-limits.ts';
import type { GrpcMetrics } from './grpc-metrics.ts';
import type { GrpcService } from './grpc-service.ts';
import { readTlsFiles } from './grpc-tls.ts';
import type { GrpcTlsConfig } from './grpc-tls.ts';
import { loadGrpc } from './load-grpc.ts';

/** How long a peer may leave a message untaken before its stream is ended. */
const STALL_MS = 30_000;
/** Calls of one connection at a time; a further one waits at the client. */
const MAX_CONCURRENT_CALLS = 2000;

/** A server that listens. */
export interface RunningGrpcServer {
  readonly address: { readonly host: string; readonly port: number };
  /** Takes no calls any more, lets those under way end, and breaks off what is left at the deadline. */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Serves ports over gRPC.
 *
 * Throws `LISTEN_FAILED` for a port that it cannot have, and what `readTlsFiles` throws.
 */
export async function startGrpcServer(options: {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls: GrpcTlsConfig;
  readonly limits: MessageLimits;
  readonly services: readonly GrpcService[];
  readonly logger: Logger;
  readonly metrics: GrpcMetrics;
  readonly stallMs?: number;
}): Promise<RunningGrpcServer> {
  const { host, port, tls, logger, metrics, stallMs = STALL_MS } = options;
  const files = readTlsFiles(tls, 'server');
  const grpc = await loadGrpc(logger);
  const settings: ChannelOptions = {
    ...KEEPALIVE_OPTIONS,
    ...messageLimitOptions(options.limits),
    'grpc.max_concurrent_streams': MAX_CONCURRENT_CALLS,
    // The library breaks off only connections that it has in its statistics.
    'grpc.enable_channelz': 1,
  };
  const server = new grpc.Server(settings);
  const runner = new CallRunner(grpc, { logger, metrics, stallMs });
  for (const method of options.services.flat()) method.register(server, runner);
  const boundPort = await new Promise<number>((resolve, reject) => {
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    server.bindAsync(authority, serverCredentials(grpc, files, tls), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(listenFailure(Object.assign(error, codeOf(error)), { host, port }, 'gRPC'));
    });
  });
  let stopping: Promise<void> | undefined;
  return {
    address: { host, port: boundPort },
    stop(deadlineMs) {
      stopping ??= new Promise((resolve) => {
        const timer = setTimeout(() => server.forceShutdown(), deadlineMs);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      return stopping;
    },
  };
}

/** The library hides the code of a failure in its text. */
function codeOf({ message }: Error): { readonly code?: string } {
  const [code] = /\bE[A-Z]{4,}\b/.exec(message) ?? [];
  return code === undefined ? {} : { code };
}
