import type { Logger } from '../../logger.ts';

/** The library. */
export type GrpcLibrary = typeof import('@grpc/grpc-js');

/** Loads the library with the first server or channel: a process without either does not pay for it at its start. */
export async function loadGrpc(logger: Logger): Promise<GrpcLibrary> {
  const grpc = await import('@grpc/grpc-js');
  // What it calls an error becomes a named one here, and is logged and counted by who made the call.
  grpc.setLogger({ error: (text: unknown) => logger.debug({ grpc: String(text) }, 'gRPC reports') });
  return grpc;
}
