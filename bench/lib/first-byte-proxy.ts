import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A relay of bytes that knows when the first one came. */
export interface FirstByteProxy {
  readonly port: number;
  /** `performance.now()` of the client's first byte; undefined before. */
  firstByteAt(): number | undefined;
  stop(): void;
}

/** Listens on a port of its own and passes everything on to a loopback port, both ways. */
export async function startFirstByteProxy(targetPort: number): Promise<FirstByteProxy> {
  const sockets: Socket[] = [];
  let firstByteAt: number | undefined;
  const server = createServer((client) => {
    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    sockets.push(client, target);
    client.once('data', () => (firstByteAt ??= performance.now()));
    for (const socket of [client, target]) socket.on('error', () => socket.destroy());
    client.pipe(target).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    firstByteAt: () => firstByteAt,
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
