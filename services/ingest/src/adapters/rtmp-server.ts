import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { listen } from '@millrace/runtime';
import { CONNECTION_REFUSALS } from './connection-refusals.ts';
import { ProxyGate } from './proxy-gate.ts';
import { RtmpConnection } from './rtmp-connection.ts';
import type { RtmpConnectionDependencies } from './rtmp-connection.ts';

/** One timer for all connections; deadlines are kept to within this. */
const CHECK_INTERVAL_MS = 500;
/** A check that comes later than this says that the process was stopped or overloaded. */
const MAX_STALL_MS = 3 * CHECK_INTERVAL_MS;
/** Connections over a limit that are let in to be told so; more are closed unheard. */
const MAX_REFUSED_CONNECTIONS = 64;

/** Listens for encoders and keeps the limits that concern all connections. */
export class RtmpServer {
  readonly #dependencies: RtmpConnectionDependencies;
  readonly #server: Server;
  readonly #gate: ProxyGate;
  readonly #connections = new Set<RtmpConnection>();
  /** Over a limit: they hear why, within the deadlines of everyone else. */
  readonly #refused = new Set<RtmpConnection>();
  readonly #perAddress = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #checkedAtMs = 0;

  constructor(dependencies: RtmpConnectionDependencies) {
    this.#dependencies = dependencies;
    const { config, metrics, logger } = dependencies;
    this.#gate = new ProxyGate({
      trustedAddresses: config.rtmp.proxyProtocol.trustedAddresses,
      deadlineMs: config.limits.handshakeSeconds * 1000,
      maxWaiting: config.limits.connections,
      onPass: (socket, address) => this.#accept(socket, address),
      onRefuse: (remoteAddress, id) => {
        metrics.refused.inc({ reason: id });
        logger.warn({ remoteAddress, id }, CONNECTION_REFUSALS[id]);
      },
    });
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) =>
      this.#gate.enter(socket),
    );
  }

  async start(): Promise<AddressInfo> {
    const address = await listen(this.#server, this.#dependencies.config.rtmp, 'RTMP');
    this.#checkedAtMs = this.#dependencies.clock();
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
    return address;
  }

  /** Closes the listener and every connection; what does not close by itself within the deadline is cut. */
  async stop(deadlineMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#gate.stop();
    for (const connection of [...this.#connections, ...this.#refused]) connection.close('shutdown');
    const timer = setTimeout(() => {
      for (const connection of [...this.#connections, ...this.#refused]) connection.cut();
    }, deadlineMs);
    await closed;
    clearTimeout(timer);
    clearInterval(this.#timer);
  }

  /** Brings the metrics up to date. */
  report(): void {
    const { metrics } = this.#dependencies;
    const phases = { handshake: 0, connecting: 0, connected: 0, authorizing: 0, publishing: 0, closed: 0 };
    let receivedBytes = 0;
    for (const connection of this.#connections) {
      phases[connection.phase] += 1;
      receivedBytes += connection.takeReceivedBytes();
    }
    for (const [state, count] of Object.entries(phases)) metrics.connections.set({ state }, count);
    metrics.receivedBytes.inc(receivedBytes);
  }

  #accept(socket: Socket, address: string): void {
    const { config, metrics, logger } = this.#dependencies;
    const fromAddress = this.#perAddress.get(address) ?? 0;
    const isFull = this.#connections.size >= config.limits.connections;
    if (isFull || fromAddress >= config.limits.connectionsPerAddress) {
      const id = isFull ? 'INGEST_CONNECTION_LIMIT' : 'INGEST_ADDRESS_LIMIT';
      metrics.refused.inc({ reason: id });
      logger.debug({ remoteAddress: address, id }, CONNECTION_REFUSALS[id]);
      if (this.#refused.size >= MAX_REFUSED_CONNECTIONS) socket.destroy();
      else this.#keep(this.#refused, socket, address, CONNECTION_REFUSALS[id]);
      return;
    }
    this.#perAddress.set(address, fromAddress + 1);
    this.#keep(this.#connections, socket, address);
    socket.once('close', () => {
      const remaining = (this.#perAddress.get(address) ?? 1) - 1;
      if (remaining === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, remaining);
    });
  }

  #keep(connections: Set<RtmpConnection>, socket: Socket, address: string, refusal?: string): void {
    const connection = new RtmpConnection(socket, address, this.#dependencies, refusal);
    connections.add(connection);
    socket.once('close', () => {
      this.#dependencies.metrics.receivedBytes.inc(connection.takeReceivedBytes());
      connections.delete(connection);
    });
  }

  #check(): void {
    const nowMs = this.#dependencies.clock();
    const sinceLastMs = nowMs - this.#checkedAtMs;
    this.#checkedAtMs = nowMs;
    // This process stood still: what encoders sent meanwhile has not been read yet, and they are not to be blamed.
    if (sinceLastMs > MAX_STALL_MS) return;
    let heldBytes = 0;
    for (const connection of this.#connections) {
      connection.check(nowMs);
      heldBytes += connection.heldBytes;
    }
    for (const connection of this.#refused) connection.check(nowMs);
    this.#release(heldBytes);
  }

  /** Closes connections until the others hold no more than they may; whoever holds most goes first. */
  #release(heldBytes: number): void {
    let excess = heldBytes - this.#dependencies.config.limits.heldBytes;
    if (excess <= 0) return;
    for (const connection of [...this.#connections].toSorted((a, b) => b.heldBytes - a.heldBytes)) {
      if (excess <= 0) return;
      excess -= connection.heldBytes;
      connection.refuse('INGEST_HELD_BYTES_LIMIT');
    }
  }
}
