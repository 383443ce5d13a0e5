import type { sink } from '@millrace/contracts';
import { jittered, ServiceError } from '@millrace/runtime';
import type { Logger, RenditionSink, SinkStream } from '@millrace/runtime';
import { pause, withDeadline } from './deadline.ts';
import { mergeHelloReplies } from './hello-replies.ts';

/** One of the packagers that a session is placed on. */
interface PlacedSink {
  /** The packager's instance id. */
  readonly id: string;
  readonly sink: RenditionSink;
}

/** What a twinned sink works with. */
export interface TwinnedSinkOptions {
  /** The packagers of the session as its record says now. */
  readonly placed: () => readonly PlacedSink[];
  readonly logger: Logger;
  /** A packager that takes nothing, in the moment in which that is noticed. */
  readonly onLost: (packagerId: string) => void;
}

/** Sink calls have no circuit breaker: a packager that was lost is tried again this often. */
const REOPEN_INTERVAL_MS = 250;
/** A packager that has just started asks its twin before it answers. */
const HELLO_DEADLINE_MS = 4000;
/** A packager that does not take a part for this long is lost: its twin has it. */
const PART_DEADLINE_MS = 3000;

/**
 * The packagers of a session as one: what is published goes to each, and is published when one of them has it.
 *
 * One that is away, or slow, costs the stream nothing: it is left out, tried again four times a second, and gets what it missed
 * from its twin. A packager that the record names later is taken in, one that it names no longer is left. Only a refusal that
 * every stream would get ends this one: a newer token, or a session that is over.
 */
export class TwinnedSink implements RenditionSink {
  readonly #options: TwinnedSinkOptions;

  constructor(options: TwinnedSinkOptions) {
    this.#options = options;
  }

  /** Opens a stream to every packager that answers; throws what the last one said when none does. */
  async open(hello: sink.Hello, signal: AbortSignal): Promise<SinkStream> {
    signal.throwIfAborted();
    const placed = this.#options.placed();
    const opened = await Promise.allSettled(
      placed.map(async (packager) => ({ id: packager.id, stream: await openOne(packager, hello, signal) })),
    );
    const streams = opened.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const failures = opened.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    const final = failures.find(isFinal);
    if (streams.length === 0 || final !== undefined) {
      for (const { stream } of streams) stream.close();
      throw final ?? failures.at(-1) ?? noPackager(hello.sessionId);
    }
    return new TwinnedSinkStream(hello, new Map(streams.map(({ id, stream }) => [id, stream])), {
      ...this.#options,
      signal,
    });
  }
}

class TwinnedSinkStream implements SinkStream {
  readonly reply: sink.HelloReply;
  readonly #hello: sink.Hello;
  readonly #streams: Map<string, SinkStream>;
  readonly #options: TwinnedSinkOptions;
  readonly #closing = new AbortController();
  readonly #signal: AbortSignal;
  /** The init segments of this stream, for a packager that joins: by rendition, the newest. */
  readonly #inits = new Map<string, sink.InitSegment>();

  constructor(
    hello: sink.Hello,
    streams: Map<string, SinkStream>,
    options: TwinnedSinkOptions & { readonly signal: AbortSignal },
  ) {
    this.#hello = hello;
    this.#streams = streams;
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#closing.signal]);
    this.reply = mergeHelloReplies([...streams.values()].map(({ reply }) => reply));
    void this.#keepOpen();
  }

  async publishInit(init: sink.InitSegment): Promise<void> {
    this.#inits.set(init.renditionId, init);
    await this.#toEach((stream) => stream.publishInit(init));
  }

  async publishPart(part: sink.Part): Promise<void> {
    await this.#toEach((stream) => stream.publishPart(part));
  }

  close(): void {
    this.#closing.abort();
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }

  /** Publishes to each packager; resolves when all have taken it or are lost, and at least one has it. */
  async #toEach(publish: (stream: SinkStream) => Promise<void>): Promise<void> {
    const failures: unknown[] = [];
    const outcomes = [...this.#streams].map(async ([id, stream]) => {
      try {
        await withDeadline(publish(stream), { ms: PART_DEADLINE_MS, what: 'publishing to a packager' });
        return true;
      } catch (error) {
        failures.push(error);
        this.#lose(id, stream, error);
        return false;
      }
    });
    const taken = await Promise.all(outcomes);
    const final = failures.find(isFinal);
    if (final === undefined && taken.includes(true)) return;
    // Whoever publishes begins anew with another stream: this one brings nobody back any more.
    this.#closing.abort();
    throw final ?? failures[0] ?? noPackager(this.#hello.sessionId);
  }

  #lose(id: string, stream: SinkStream, error: unknown): void {
    if (this.#streams.get(id) !== stream) return;
    this.#streams.delete(id);
    stream.close();
    if (this.#signal.aborted || isFinal(error)) return;
    this.#options.onLost(id);
    this.#options.logger.warn(
      { err: error, sessionId: this.#hello.sessionId, packager: id },
      'A packager takes nothing; its twin has the session, and it is tried again',
    );
  }

  /** Follows the placement, and brings back packagers that were lost. */
  async #keepOpen(): Promise<void> {
    const { placed, logger } = this.#options;
    while (!this.#signal.aborted) {
      const wanted = placed();
      for (const [id, stream] of this.#streams) {
        // The last one stays until another has taken over.
        if (this.#streams.size === 1 || wanted.some((packager) => packager.id === id)) continue;
        this.#streams.delete(id);
        stream.close();
      }
      const missing = wanted.filter(({ id }) => !this.#streams.has(id));
      await Promise.all(
        missing.map(async (packager) => {
          try {
            await this.#join(packager.id, await openOne(packager, this.#hello, this.#signal));
            logger.info(
              { sessionId: this.#hello.sessionId, packager: packager.id },
              'A packager takes the session again',
            );
          } catch {
            // Said when it was lost; the next round is the next try.
          }
        }),
      );
      await pause(jittered(REOPEN_INTERVAL_MS), this.#signal);
    }
  }

  async #join(id: string, stream: SinkStream): Promise<void> {
    if (this.#signal.aborted) {
      stream.close();
      return;
    }
    // What comes from now on goes to it as well: the init segments have to be there first.
    const inits = [...this.#inits.values()].map((init) => stream.publishInit(init));
    this.#streams.set(id, stream);
    try {
      await withDeadline(Promise.all(inits), { ms: PART_DEADLINE_MS, what: 'publishing to a packager' });
    } catch (error) {
      this.#lose(id, stream, error);
      throw error;
    }
  }
}

async function openOne(
  { sink: packager }: PlacedSink,
  hello: sink.Hello,
  signal: AbortSignal,
): Promise<SinkStream> {
  const closing = new AbortController();
  const opening = packager.open(hello, AbortSignal.any([signal, closing.signal]));
  try {
    return await withDeadline(opening, {
      ms: HELLO_DEADLINE_MS,
      what: 'opening a stream to a packager',
      signal,
    });
  } catch (error) {
    closing.abort();
    // One that opens too late is nobody's.
    opening.then((late) => late.close()).catch(() => undefined);
    throw error;
  }
}

/** What another stream would be told as well. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof ServiceError &&
    (error.id === 'PACKAGER_TOKEN_STALE' || error.id === 'PACKAGER_SESSION_ENDED')
  );
}

function noPackager(sessionId: string): ServiceError {
  return new ServiceError(
    'UNAVAILABLE',
    'WORKER_NO_PACKAGER',
    `No packager holds session ${sessionId}: start one, or wait for one to register.`,
    { retryable: true },
  );
}
