import type { session, sink } from '@millrace/contracts';
import type { Clock, EventEmitter } from '@millrace/runtime';
import type { WorkerMetrics } from '../metrics.ts';
import type { AssembledPart } from './media-sample.ts';
import type { PartPublisher } from './part-publisher.ts';
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

  constructor(options: {
    readonly author: RowAuthor;
    readonly publisher: PartPublisher;
    readonly renditions: readonly session.Rendition[];
    readonly session: { readonly channel: string; readonly sessionId: string };
    readonly events: EventEmitter;
    readonly metrics: WorkerMetrics;
    readonly clock: Clock;
  }) {
    this.#author = options.author;
    this.#publisher = options.publisher;
    this.#renditions = new Map(options.renditions.map((rendition) => [rendition.id, rendition]));
    this.#session = options.session;
    this.#events = options.events;
    this.#metrics = options.metrics;
    this.#clock = options.clock;
  }

  /** The author, for positions and periods. */
  get author(): RowAuthor {
    return this.#author;
  }

  /** Publishes an init segment; false when another one was fixed for the period before. */
  publishInit(init: sink.InitSegment): boolean {
    return this.#publisher.publishInit(init);
  }

  /** Publishes a part with media. */
  publish(renditionId: string, part: AssembledPart): void {
    const rows = this.#author.author(renditionId, part);
    const authored = rows.at(-1);
    if (authored !== undefined) this.#observeAge(authored);
    this.#send(rows);
  }

  /** Publishes gap parts for what a rendition lacks before a position. */
  fillGaps(renditionId: string, until: sink.Position): void {
    this.#send(this.#author.fillGaps(renditionId, until));
  }

  /** Publishes what the period still lacks, and ends it. */
  endPeriod(lastK: number): void {
    this.#send(this.#author.endPeriod(lastK));
  }

  #send(parts: readonly sink.Part[]): void {
    if (parts.length === 0) return;
    for (const part of parts) {
      this.#publisher.publish(part);
      this.#metrics.parts.inc({ state: part.isGap ? 'gap' : 'media' });
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
