import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/**
 * A TCP proxy that can lose the next answer: the request arrives, the answer does not, and the connection is cut. It can also
 * fall silent on the connections that there are, as a host does that is gone without a word.
 */
export class LossyProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #silent = new WeakSet<Socket>();
  #answersToLose = 0;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      const target = connect(targetPort, '127.0.0.1');
      for (const socket of [client, target]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          target.destroy();
        });
      }
      client.on('data', (chunk) => {
        if (!this.#silent.has(client)) target.write(chunk);
      });
      target.on('data', (chunk) => {
        if (this.#silent.has(client)) return;
        if (this.#answersToLose > 0) {
          this.#answersToLose -= 1;
          client.destroy();
        } else client.write(chunk);
      });
    });
  }

  static async start(targetPort: number): Promise<LossyProxy> {
    const proxy = new LossyProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next answer on any connection is lost. */
  loseAnswer(): void {
    this.#answersToLose += 1;
  }

  /** Nothing comes through the connections that there are, in either direction; later ones work. */
  fallSilent(): void {
    for (const socket of this.#sockets) this.#silent.add(socket);
  }

  /** True until the answer that is to be lost has come. */
  get isWaiting(): boolean {
    return this.#answersToLose > 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
