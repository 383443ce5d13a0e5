import { BlockList } from 'node:net';
import type { Socket } from 'node:net';
import type { ConnectionRefusal } from './connection-refusals.ts';
import { PROXY_SIGNATURE, readProxyHeader } from './proxy-header.ts';

/** What comes of a connection at the gate. */
export interface ProxyGateOptions {
  /** Addresses and subnets (`10.0.0.0/8`) of balancers. */
  readonly trustedAddresses: readonly string[];
  /** Time for the header. */
  readonly deadlineMs: number;
  /** Connections that may wait for their header. */
  readonly maxWaiting: number;
  /** The connection goes on, with the encoder's address; nothing behind the header has been read. */
  readonly onPass: (socket: Socket, remoteAddress: string) => void;
  /** It was closed, unheard: a balancer has nobody to show a reason to. */
  readonly onRefuse: (remoteAddress: string, id: ConnectionRefusal) => void;
}

/**
 * Learns from balancers for whom they speak: their connections begin with a header of the PROXY protocol, which nobody else may
 * send, since anyone could be anybody with one.
 */
export class ProxyGate {
  readonly #options: ProxyGateOptions;
  readonly #balancers = new BlockList();
  readonly #waiting = new Set<Socket>();

  constructor(options: ProxyGateOptions) {
    this.#options = options;
    for (const trusted of options.trustedAddresses) {
      const [address = '', prefix] = trusted.split('/');
      const family = familyOf(address);
      if (prefix === undefined) this.#balancers.addAddress(address, family);
      else this.#balancers.addSubnet(address, Number(prefix), family);
    }
  }

  /** Takes a connection that has just been accepted. */
  enter(socket: Socket): void {
    const { onPass, maxWaiting } = this.#options;
    const address = socket.remoteAddress ?? '';
    if (!this.#balancers.check(address, familyOf(address))) {
      onPass(socket, address);
      return;
    }
    if (this.#waiting.size >= maxWaiting) this.#refuse(socket, 'INGEST_CONNECTION_LIMIT');
    else this.#await(socket, address);
  }

  /** Cuts whoever still waits. */
  stop(): void {
    for (const socket of this.#waiting) socket.destroy();
  }

  #await(socket: Socket, address: string): void {
    this.#waiting.add(socket);
    let received: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => {
      leave();
      this.#refuse(socket, 'INGEST_PROXY_HEADER_MISSING');
    }, this.#options.deadlineMs);
    const onData = (bytes: Buffer): void => {
      received = received.length === 0 ? bytes : Buffer.concat([received, bytes]);
      let header;
      try {
        header = readProxyHeader(received);
      } catch {
        leave();
        this.#refuse(socket, 'INGEST_PROXY_HEADER_INVALID');
        return;
      }
      if (header === undefined) return;
      leave();
      socket.pause();
      if (header.length < received.length) socket.unshift(received.subarray(header.length));
      this.#options.onPass(socket, header.sourceAddress ?? address);
      socket.resume();
    };
    const onError = (): void => leave();
    const leave = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(socket);
      socket.off('data', onData);
      socket.off('error', onError);
      socket.off('close', leave);
    };
    socket.on('data', onData);
    socket.on('error', onError);
    socket.on('close', leave);
  }

  #refuse(socket: Socket, id: ConnectionRefusal): void {
    this.#options.onRefuse(socket.remoteAddress ?? '', id);
    socket.on('error', () => undefined);
    socket.destroy();
  }
}

/** True for bytes with which an encoder's connection does not begin, but a balancer's does. */
export function looksLikeProxyHeader(bytes: Uint8Array): boolean {
  // Five bytes are more than any RTMP handshake has in common with it, and always come in one piece.
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 5)).equals(
    PROXY_SIGNATURE.subarray(0, 5),
  );
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
