import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { Lease, RenditionSink, SinkStream } from '@millrace/runtime';
import { pause, withDeadline } from './deadline.ts';
import type { LadderShedding } from './ladder-shedding.ts';
import { PartPublisher } from './part-publisher.ts';
import type { RefusedPart } from './part-publisher.ts';
import { PeriodRunner } from './period-runner.ts';
import type { PeriodBudgets } from './restart-budget.ts';
import { RowAuthor } from './row-author.ts';
import { RowPublisher } from './row-publisher.ts';
import type { SessionContext } from './session-context.ts';

/** A packager that has just started asks its twin before it answers. */
const HELLO_DEADLINE_MS = 5000;
const RECORD_POLL_MS = 50;

/** How the publishing over one stream ended. */
export type StreamOutcome =
  /** Every row is authored and acknowledged. */
  | 'session-ended'
  /** Every row before the successor's first one is. */
  | 'handed-over'
  | 'stopped';

/** What one publish stream of a session works with. */
export interface StreamRunnerOptions {
  readonly sink: RenditionSink;
  readonly lease: Lease;
  readonly context: Omit<SessionContext, 'rows' | 'leaseToken'>;
  readonly shedding: LadderShedding;
  readonly budgets: PeriodBudgets;
  /** Resolves when a successor has the lease, with the position from which on. */
  readonly handedOver: Promise<sink.Position>;
  /** Where renditions are to begin at the earliest; it outlives the stream. */
  readonly floors: Map<string, sink.Position>;
  /** The packager took something. */
  readonly onAcknowledged: () => void;
}

/**
 * Publishes a session over one stream to the packager: period after period, from where the rows end.
 *
 * Owns the stream, and has closed it when `run` is over.
 */
export class StreamRunner {
  readonly #options: StreamRunnerOptions;
  readonly #publisher: PartPublisher;
  readonly #author: RowAuthor;
  readonly #failed = new AbortController();

  private constructor(options: StreamRunnerOptions, stream: SinkStream) {
    this.#options = options;
    this.#publisher = new PartPublisher(stream, {
      onAcknowledged: options.onAcknowledged,
      onFailure: (error, refused) => {
        if (refused !== undefined && isContentRefusal(error)) this.#giveUp(refused, error);
        this.#failed.abort(error);
      },
    });
    this.#author = new RowAuthor({
      grid: options.context.grid,
      renditions: options.context.presentation.renditions,
      reply: stream.reply,
      from: options.lease.from,
    });
  }

  /** Says hello. Throws what the packager answers, or its silence. */
  static async open(options: StreamRunnerOptions, signal: AbortSignal): Promise<StreamRunner> {
    const { sessionId, token, from } = options.lease;
    const closing = new AbortController();
    const opening = options.sink.open(
      { sessionId, leaseToken: token, from },
      AbortSignal.any([signal, closing.signal]),
    );
    try {
      const what = 'opening a stream to the packager';
      return new StreamRunner(options, await withDeadline(opening, { ms: HELLO_DEADLINE_MS, what, signal }));
    } catch (error) {
      closing.abort();
      // One that opens too late is nobody's.
      opening.then((late) => late.close()).catch(() => undefined);
      throw error;
    }
  }

  /** Parts with media that the packager did not take. */
  get refusedParts(): number {
    return this.#publisher.refusedParts;
  }

  /** Closes a stream over which nothing was published. */
  close(): void {
    this.#publisher.close();
  }

  /** Publishes until there is nothing more to publish or the signal is aborted. Throws why the stream failed. */
  async run(signal: AbortSignal): Promise<StreamOutcome> {
    const { signal: failed } = this.#failed;
    const done = new AbortController();
    try {
      const running = AbortSignal.any([signal, failed, done.signal]);
      let ordinal = this.#firstPeriod();
      const context = this.#createContext();
      const { shedding, budgets, floors, handedOver } = this.#options;
      const handing = handedOver.then((from) => context.rows.endBefore(from)).then(() => done.abort());
      handing.catch(() => undefined);
      await this.#awaitOwnMedia(running);
      while (!running.aborted) {
        const runner = new PeriodRunner(context, ordinal, {
          shedding,
          budget: budgets.of(ordinal),
          floors,
        });
        const outcome = await runner.run(running);
        if (outcome === 'aborted') break;
        // Of a session that is over the record may know periods that nobody could read any more: they become gaps.
        if (outcome === 'session-ended' && (this.#newestPeriod() ?? ordinal) <= ordinal) {
          await this.#settled(signal);
          if (!running.aborted) return 'session-ended';
          break;
        }
        ordinal += 1;
      }
      if (done.signal.aborted && !failed.aborted) await this.#settled(signal);
      if (failed.aborted) throw failed.reason;
      return done.signal.aborted ? 'handed-over' : 'stopped';
    } finally {
      this.#publisher.close();
    }
  }

  /** A successor begins with the segment in front of its first one: earlier there is nothing that it could make. */
  async #awaitOwnMedia(signal: AbortSignal): Promise<void> {
    const { context, lease } = this.#options;
    const isOver = (): boolean => context.record().state === session.SessionState.ENDED;
    while (context.record().currentK < lease.from.k - 1 && !isOver()) {
      if (!(await pause(RECORD_POLL_MS, signal))) return;
    }
  }

  /** The same part would be refused again: its segment becomes a gap, and everything else goes on. */
  #giveUp({ renditionId, position }: RefusedPart, error: unknown): void {
    const { context, floors } = this.#options;
    if (position === undefined) return;
    floors.set(renditionId, { k: position.k + 1, part: 0 });
    context.logger.error(
      { err: error, sessionId: context.sessionId, renditionId, k: position.k },
      'The packager refuses a part for what it is; its segment is given up as a gap',
    );
  }

  /** Everything is acknowledged, the stream has failed, or the work is stopped. */
  async #settled(signal: AbortSignal): Promise<void> {
    const { promise: stopped, resolve } = Promise.withResolvers<void>();
    const onAbort = (): void => resolve();
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    await Promise.race([this.#publisher.settled(), stopped]);
    signal.removeEventListener('abort', onAbort);
  }

  #createContext(): SessionContext {
    const { context, lease } = this.#options;
    const { presentation, metrics, clock, channel, sessionId, events } = context;
    const rows = new RowPublisher({
      author: this.#author,
      publisher: this.#publisher,
      renditions: presentation.renditions,
      session: { channel, sessionId },
      events,
      metrics,
      clock,
      isOnAir: context.isOnAir,
    });
    return {
      ...context,
      rows,
      get leaseToken() {
        return lease.token;
      },
    };
  }

  /** Where rows may be missing; without any row, the newest period. */
  #firstPeriod(): number {
    const ids = this.#options.context.presentation.renditions.map(({ id }) => id);
    return this.#author.history.continuationPeriod(ids) ?? this.#newestPeriod() ?? 0;
  }

  #newestPeriod(): number | undefined {
    return this.#options.context.record().periods.at(-1)?.ordinal;
  }
}

/** What the packager answers to a part that it will never take, whoever sends it and whenever. */
const CONTENT_REFUSALS: ReadonlySet<string> = new Set(['PACKAGER_TOO_LONG', 'PACKAGER_INVALID']);

function isContentRefusal(error: unknown): boolean {
  return error instanceof ServiceError && CONTENT_REFUSALS.has(error.id);
}
