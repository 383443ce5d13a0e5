import { Agent, request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { jittered } from '@millrace/runtime';
import type { Logger } from '@millrace/runtime';
import { makeEntity } from './entity.ts';
import type { Entity, ObjectKind } from './entity.ts';

/** Says that a request comes from a packager, which is never sent on. */
export const FORWARDED_HEADER = 'millrace-forwarded';

/** What an owner has answered. */
export type ProxyOutcome =
  | { readonly kind: 'entity'; readonly entity: Entity }
  | { readonly kind: 'refused'; readonly status: 404 | 410 | 425 | 503 };

/** What is counted. */
export interface ProxyObserver {
  /** An owner was asked; `failed` when it did not answer, or cannot. */
  onAsked(result: 'answered' | 'failed'): void;
  /** A request joined one that was under way. */
  onCollapsed(): void;
  /** There is no room for one more. */
  onRejected(): void;
}

/** What is asked for. */
export interface ProxyRequest {
  /** Path without a query; it was parsed, so that it can be sent on. */
  readonly path: string;
  readonly object: ObjectKind;
  readonly acceptsGzip: boolean;
  /** Where the owners are now, `host:port`. */
  readonly owners: () => readonly string[];
  /** How long each may take until it begins to answer, in ms: it may hold what is not there yet. */
  readonly deadlineMs: number;
}

/** Bounds of what is under way. */
export interface ProxyLimits {
  readonly maxForwardedRequests: number;
  readonly maxForwardedBytes: number;
}

interface Flight {
  readonly listeners: Set<(outcome: ProxyOutcome) => void>;
  readonly abort: AbortController;
}

const UNAVAILABLE: ProxyOutcome = { kind: 'refused', status: 503 };
/** An owner that restarts, or that is not known yet, is there in a moment: players see no error for that. */
const PATIENCE_MS = 1500;
const RETRY_MS = 150;
/** How long an owner may stop in the middle of a body. */
const BODY_IDLE_MS = 5000;
const ETAG = /^"[\x21\x23-\x7e]{1,128}"$/;

/**
 * Asks owners for what is not held here: one request for all that ask for the same at a time.
 *
 * What comes back is an entity like an own one, so that ranges, conditions and HEAD are answered from it. Requests and the bytes
 * of bodies under way are bounded; beyond, the answer is 503.
 */
export class OwnerProxy {
  readonly #options: {
    readonly instance: string;
    readonly limits: ProxyLimits;
    readonly logger: Logger;
    readonly observer: ProxyObserver;
  };
  readonly #agent: Agent;
  readonly #flights = new Map<string, Flight>();
  #bytes = 0;

  constructor(options: {
    readonly instance: string;
    readonly limits: ProxyLimits;
    readonly logger: Logger;
    readonly observer: ProxyObserver;
  }) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.limits.maxForwardedRequests });
  }

  /** Requests under way. */
  get requestCount(): number {
    return this.#flights.size;
  }

  /**
   * Calls `onDone` once with what the first owner says that can say something; 503 when none can. Returns what gives the request
   * up: the owner is asked no longer when nobody waits.
   */
  get(request: ProxyRequest, onDone: (outcome: ProxyOutcome) => void): () => void {
    const key = `${request.acceptsGzip ? 'gzip' : 'identity'} ${request.path}`;
    let flight = this.#flights.get(key);
    if (flight !== undefined) this.#options.observer.onCollapsed();
    else if (this.#flights.size >= this.#options.limits.maxForwardedRequests) {
      this.#options.observer.onRejected();
      onDone(UNAVAILABLE);
      return () => undefined;
    } else {
      flight = { listeners: new Set(), abort: new AbortController() };
      this.#flights.set(key, flight);
      void this.#fly(key, flight, request);
    }
    const { listeners, abort } = flight;
    listeners.add(onDone);
    return () => {
      listeners.delete(onDone);
      if (listeners.size > 0) return;
      if (this.#flights.get(key)?.listeners === listeners) this.#flights.delete(key);
      abort.abort();
    };
  }

  /** Gives up what is under way. */
  stop(): void {
    for (const { abort } of this.#flights.values()) abort.abort();
    this.#agent.destroy();
  }

  async #fly(key: string, flight: Flight, request: ProxyRequest): Promise<void> {
    const { signal } = flight.abort;
    const givesUpAtMs = performance.now() + PATIENCE_MS;
    let outcome = await this.#askAll(request, signal);
    while (outcome === undefined && !signal.aborted && performance.now() < givesUpAtMs) {
      await delay(jittered(RETRY_MS), undefined, { signal }).catch(() => undefined);
      outcome = await this.#askAll(request, signal);
    }
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
    for (const listener of flight.listeners) listener(outcome ?? UNAVAILABLE);
  }

  /** What the first owner says that can say something. */
  async #askAll(request: ProxyRequest, signal: AbortSignal): Promise<ProxyOutcome | undefined> {
    for (const owner of request.owners()) {
      if (signal.aborted) return undefined;
      const answer = await this.#ask(owner, request, signal);
      if (signal.aborted) return undefined;
      this.#options.observer.onAsked(answer === undefined ? 'failed' : 'answered');
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  /** What one owner says; `undefined` when another one is to be asked. Never rejects. */
  async #ask(owner: string, request: ProxyRequest, given: AbortSignal): Promise<ProxyOutcome | undefined> {
    const deadline = new AbortController();
    const signal = AbortSignal.any([given, deadline.signal]);
    const timer = setTimeout(() => deadline.abort(), request.deadlineMs);
    try {
      const response = await this.#send(owner, request, signal);
      clearTimeout(timer);
      response.setTimeout(BODY_IDLE_MS, () => deadline.abort());
      return await this.#read(response, request);
    } catch (error) {
      if (!given.aborted) {
        this.#options.logger.debug(
          { err: error, owner, path: request.path },
          'An owner of a session does not answer',
        );
      }
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  #send(owner: string, { path, acceptsGzip }: ProxyRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { hostname, port } = new URL(`http://${owner}`);
    const headers = {
      [FORWARDED_HEADER]: this.#options.instance,
      'accept-encoding': acceptsGzip ? 'gzip' : 'identity',
    };
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        // URLs write IPv6 addresses in brackets, sockets do not.
        { host: hostname.replace(/^\[|\]$/g, ''), port, path, headers, agent: this.#agent, signal },
        resolve,
      );
      outgoing.on('error', reject);
      outgoing.end();
    });
  }

  async #read(response: IncomingMessage, request: ProxyRequest): Promise<ProxyOutcome | undefined> {
    const { statusCode: status, headers } = response;
    if (status !== 200) {
      response.resume();
      return status === 404 || status === 410 || status === 425 ? { kind: 'refused', status } : undefined;
    }
    const length = Number(headers['content-length']);
    const { etag, 'content-type': contentType, 'cache-control': cacheControl } = headers;
    const encoding = headers['content-encoding'];
    const isFit =
      Number.isSafeInteger(length) &&
      etag !== undefined &&
      ETAG.test(etag) &&
      contentType !== undefined &&
      cacheControl !== undefined &&
      (encoding === undefined || (encoding === 'gzip' && request.acceptsGzip));
    if (!isFit || this.#bytes + length > this.#options.limits.maxForwardedBytes) {
      if (isFit) this.#options.observer.onRejected();
      response.destroy();
      return undefined;
    }
    this.#bytes += length;
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      if (body.length !== length) return undefined;
      return {
        kind: 'entity',
        entity: makeEntity({
          ...{ object: request.object, body, contentType, cacheControl, etag },
          variant: headers.vary === undefined ? [] : ['Vary', headers.vary],
          extra: encoding === undefined ? [] : ['Content-Encoding', encoding],
          hasRanges: headers['accept-ranges'] === 'bytes',
        }),
      };
    } finally {
      this.#bytes -= length;
    }
  }
}
