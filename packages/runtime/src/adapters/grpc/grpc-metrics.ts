import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';

/** What gRPC servers and channels show. */
export interface GrpcMetrics {
  readonly stalledStreams: Counter<'method'>;
  readonly failedCalls: Counter<'method' | 'error'>;
}

/** Defines the metrics of gRPC, once for a registry. */
export function createGrpcMetrics(registry: Registry): GrpcMetrics {
  const registers = [registry];
  return {
    stalledStreams: new Counter({
      name: 'millrace_grpc_stalled_streams_total',
      help: 'Streams that were ended because the peer did not take what was sent to it.',
      labelNames: ['method'],
      registers,
    }),
    failedCalls: new Counter({
      name: 'millrace_grpc_failed_calls_total',
      help: 'Calls that this server ended with an error, by error id.',
      labelNames: ['method', 'error'],
      registers,
    }),
  };
}
