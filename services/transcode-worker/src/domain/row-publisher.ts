import type { session, sink } from '@millrace/contracts';
import type { Clock, EventEmitter } from '@millrace/runtime';
import type { WorkerMetrics } from '../metrics.ts';
import type { AssembledPart } from './media-sample.ts';
import type { PartPublisher } from './part-publisher.ts';
import { comparePositions } from './part-grid.ts';
import type { RowAuthor } from './row-author.ts';

/** Authors rows, publishes them, and says so: events and metrics of one session. */
export class RowPublisher {
  readonly #author: RowAuthor;
  readonly #publisher: PartPublisher;
  readonly #renditions: ReadonlyMap<string, session.Rendition>;
  readonly #session: { readonly channel: string; readonly sessionId: string };
  readonly #events: EventEmitter;
  readonly #metrics: WorkerMetrics;
  readonly #clock: Clock;
  readonly #isOnAir: () => boolean;
  readonly #reachedEnd = Promise.withResolvers<void>();
  #end: sink.Position | undefined;

  constructor(options: {
    readonly author: RowAuthor;
    readonly publisher: PartPublisher;
    readonly renditions: readonly session.Rendition[];
    readonly session: { readonly channel: string; readonly sessionId: string };
    readonly events: EventEmitter;
    readonly metrics: WorkerMetrics;
    readonly clock: Clock;
    /** False while another worker leads: nothing is counted. */
    readonly isOnAir: () => boolean;
  }) {
    this.#author = options.author;
    this.#publisher = options.publisher;
    this.#renditions = new Map(options.renditions.map((rendition) => [rendition.id, rendition]));
    this.#session = options.session;
    this.#events = options.events;
    this.#metrics = options.metrics;
    this.#clock = options.clock;
    this.#isOnAir = options.isOnAir;
  }

  /** The author, for positions and periods. */
  get author(): RowAuthor {
    return this.#author;
  }

  /** Publishes an init segment; false when another one was fixed for the period before. */
  publishInit(init: sink.InitSegment): boolean {
    return this.#publisher.publishInit(init);
  }

  /**
   * A successor makes everything from here on: nothing of it is published any more. Resolves, also when called again, once all
   * that lies before is published.
   */
  endBefore(end: sink.Position): Promise<void> {
    this.#end = end;
    this.#noteProgress();
    return this.#reachedEnd.promise;
  }

  /** Publishes a part with media. */
  publish(renditionId: string, part: AssembledPart): void {
    if (this.#isBeyondEnd(part.position)) {
      this.#passEnd(renditionId, part.position);
      return;
    }
    const rows = this.#author.author(renditionId, part);
    const authored = rows.at(-1);
    if (authored !== undefined && this.#isOnAir()) this.#observeAge(authored);
    this.#send(rows);
    this.#noteProgress();
  }

  /** Publishes gap parts for what a rendition lacks before a position. */
  fillGaps(renditionId: string, until: sink.Position): void {
    const end = this.#end;
    const isBeyond = end !== undefined && comparePositions(until, end) > 0;
    this.#send(this.#author.fillGaps(renditionId, isBeyond ? end : until));
    this.#noteProgress();
  }

  /** Publishes what the period still lacks, and ends it. */
  endPeriod(lastK: number): void {
    const end = this.#end;
    this.#send(this.#author.endPeriod(end === undefined ? lastK : Math.min(lastK, end.k - 1)));
    this.#noteProgress();
  }

  #isBeyondEnd(position: sink.Position): boolean {
    return this.#end !== undefined && comparePositions(position, this.#end) >= 0;
  }

  /** A rendition has come to the end; one that is a whole segment beyond waits for no other. */
  #passEnd(renditionId: string, position: sink.Position): void {
    const end = this.#end;
    if (end === undefined) return;
    const ids = position.k > end.k ? this.#renditions.keys() : [renditionId];
    for (const id of ids) this.#send(this.#author.fillGaps(id, end));
    this.#noteProgress();
  }

  #noteProgress(): void {
    const isThere = [...this.#renditions.keys()].every((id) => this.#isBeyondEnd(this.#author.next(id)));
    if (this.#end !== undefined && isThere) this.#reachedEnd.resolve();
  }

  #send(parts: readonly sink.Part[]): void {
    if (parts.length === 0) return;
    for (const part of parts) {
      this.#publisher.publish(part);
      if (this.#isOnAir()) this.#metrics.parts.inc({ state: part.isGap ? 'gap' : 'media' });
    }
    for (const { k, gapRenditions } of this.#author.takeCompleted()) {
      this.#events.emit({
        type: 'SegmentPublished',
        data: { ...this.#session, k, gapRenditions: [...gapRenditions] },
      });
    }
  }

  #observeAge(part: sink.Part): void {
    const timescale = this.#renditions.get(part.renditionId)?.timescale ?? 1;
    const endMs = ((part.baseMediaDecodeTime + part.durationTicks) / timescale) * 1000;
    this.#metrics.partAge.observe(Math.max(0, this.#clock() - endMs - part.utcOffsetUs / 1000) / 1000);
  }
}
