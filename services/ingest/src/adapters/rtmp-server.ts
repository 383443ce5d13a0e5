import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { listen } from '@millrace/runtime';
import { RtmpConnection } from './rtmp-connection.ts';
import type { RtmpConnectionDependencies } from './rtmp-connection.ts';

const CHECK_INTERVAL_MS = 1000;

/** Listens for encoders; refuses connections over the limits before a byte is read. */
export class RtmpServer {
  readonly #dependencies: RtmpConnectionDependencies;
  readonly #server: Server;
  readonly #connections = new Set<RtmpConnection>();
  readonly #perAddress = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(dependencies: RtmpConnectionDependencies) {
    this.#dependencies = dependencies;
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) =>
      this.#accept(socket),
    );
  }

  async start(): Promise<AddressInfo> {
    const address = await listen(this.#server, this.#dependencies.config.rtmp, 'RTMP');
    this.#timer = setInterval(() => {
      const nowMs = this.#dependencies.clock();
      for (const connection of this.#connections) connection.check(nowMs);
    }, CHECK_INTERVAL_MS);
    return address;
  }

  /** Closes the listener and every connection. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.close('shutdown');
    await closed;
  }

  #accept(socket: Socket): void {
    const { config, metrics, logger } = this.#dependencies;
    const address = socket.remoteAddress ?? '';
    const fromAddress = this.#perAddress.get(address) ?? 0;
    const isFull = this.#connections.size >= config.limits.connections;
    if (isFull || fromAddress >= config.limits.connectionsPerAddress) {
      const reason = isFull ? 'INGEST_CONNECTION_LIMIT' : 'INGEST_ADDRESS_LIMIT';
      metrics.refused.inc({ reason });
      logger.warn({ remoteAddress: address, id: reason }, 'A connection was refused');
      socket.destroy();
      return;
    }
    const connection = new RtmpConnection(socket, this.#dependencies);
    this.#connections.add(connection);
    this.#perAddress.set(address, fromAddress + 1);
    metrics.connections.set(this.#connections.size);
    socket.once('close', () => {
      this.#connections.delete(connection);
      const remaining = (this.#perAddress.get(address) ?? 1) - 1;
      if (remaining === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, remaining);
      metrics.connections.set(this.#connections.size);
    });
  }
}
