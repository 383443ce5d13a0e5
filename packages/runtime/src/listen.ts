import type { AddressInfo, Server } from 'node:net';
import { ServiceError } from './service-error.ts';

/**
 * Binds a server, so that a taken or forbidden port becomes one sentence that names it and what to do.
 *
 * `purpose` is how the sentence calls the port: `RTMP`, `HTTP`, `admin`. Throws `ServiceError` `LISTEN_FAILED`.
 */
export function listen(
  server: Server,
  address: { readonly host: string; readonly port: number },
  purpose: string,
): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(listenFailure(error, address, purpose));
    });
    server.listen(address.port, address.host, () => resolve(server.address() as AddressInfo));
  });
}

/** Says which port a server could not have, why, and what to do. */
export function listenFailure(
  error: NodeJS.ErrnoException,
  address: { readonly host: string; readonly port: number },
  purpose: string,
): ServiceError {
  return new ServiceError('UNAVAILABLE', 'LISTEN_FAILED', sentence(error, address, purpose), {
    cause: error,
  });
}

function sentence(
  error: NodeJS.ErrnoException,
  address: { readonly host: string; readonly port: number },
  purpose: string,
): string {
  const where = `${address.host}:${address.port}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `The ${purpose} port ${where} is taken by another program: stop it or set another port.`;
    case 'EACCES':
      return `The ${purpose} port ${where} may not be opened by this user: set a port above 1023.`;
    case 'EADDRNOTAVAIL':
      return `The ${purpose} address ${where} is not an address of this machine: set another host.`;
    default:
      return `The ${purpose} port ${where} cannot be opened (${error.message}).`;
  }
}
