import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** Decides about a chunk of a broker's answers. */
export type Cut = () => boolean;

/**
 * A TCP proxy in front of a broker that loses answers: instead of delivering one, it cuts the connection.
 *
 * What the client sent has reached the broker by then: whether it was written is what the client cannot know.
 */
export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #isCut: Cut;
  #target = 0;
  #cuts = 0;

  constructor(isCut: Cut) {
    this.#isCut = isCut;
    this.#server = createServer((client) => this.#serve(client));
  }

  /** Connections that were cut. */
  get cuts(): number {
    return this.#cuts;
  }

  /** Takes a port; nobody gets through before `forwardTo`. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Says where the broker is. */
  forwardTo(port: number): void {
    this.#target = port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket): void {
    const broker = connect(this.#target, '127.0.0.1');
    const pair = [client, broker];
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        for (const one of pair) one.destroy();
      });
    }
    client.on('data', (chunk) => broker.write(chunk));
    broker.on('data', (chunk) => {
      if (!this.#isCut()) {
        client.write(chunk);
        return;
      }
      this.#cuts += 1;
      client.resetAndDestroy();
    });
  }
}
