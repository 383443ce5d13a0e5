import { session } from '@millrace/contracts';
import type { relay, sink } from '@millrace/contracts';
import type { InitTrack } from '@millrace/media';
import { trackOf } from './attempt-plan.ts';
import type { AttemptPlan } from './attempt-plan.ts';
import { EncodedLane } from './encoded-lane.ts';
import type { GapCause, LaneOutput } from './lane-output.ts';
import type { AssembledPart, MediaSample } from './media-sample.ts';
import { comparePositions } from './part-grid.ts';
import type { PartGrid } from './part-grid.ts';
import { PassthroughLane } from './passthrough-lane.ts';
import { encodedInit, passthroughInit } from './rendition-init.ts';
import type { RowPublisher } from './row-publisher.ts';

/** What the lanes report. */
export interface LaneListener {
  /** A part with media was published. */
  onPart(renditionId: string): void;
  /** A segment is a gap for what the encoder did not send. */
  onSegmentLost(renditionId: string, k: number, cause: GapCause): void;
  /** The init segment of a rendition is not the one that was fixed for the period. */
  onInitDiffers(renditionId: string): void;
}

/** All renditions of one attempt: routes samples to their lanes and parts to the rows, and keeps the rows of all in step. */
export class AttemptLanes {
  readonly #rows: RowPublisher;
  readonly #listener: LaneListener;
  readonly #period: session.Period;
  readonly #encoded: readonly EncodedLane[];
  readonly #passedThrough: readonly { readonly lane: PassthroughLane; readonly trackId: number }[];
  /** First part of each rendition that has a lane. */
  readonly #first: ReadonlyMap<string, sink.Position>;
  readonly #renditionIds: readonly string[];
  #lastK = Number.MAX_SAFE_INTEGER;

  constructor(options: {
    readonly plan: AttemptPlan;
    readonly presentation: session.Presentation;
    readonly period: session.Period;
    readonly grid: PartGrid;
    readonly rows: RowPublisher;
    readonly listener: LaneListener;
  }) {
    const { plan, period, grid, presentation } = options;
    this.#rows = options.rows;
    this.#listener = options.listener;
    this.#period = period;
    const isQuality = presentation.preset === session.Preset.QUALITY;
    this.#encoded = plan.encoded.map(
      (lane) =>
        new EncodedLane(lane, grid, {
          presentation,
          isHeld: isQuality && lane.rendition.kind === session.TrackKind.VIDEO,
        }),
    );
    this.#passedThrough = plan.passedThrough.map((lane) => ({
      lane: new PassthroughLane(lane, grid, {
        presentation,
        isGapSegment: this.#rows.author.isGapSegment(lane.rendition.id),
      }),
      trackId: trackOf(period, lane.rendition.kind)?.trackId ?? 0,
    }));
    this.#first = new Map(
      [...plan.encoded, ...plan.passedThrough].map(({ rendition, first }) => [rendition.id, first]),
    );
    this.#renditionIds = presentation.renditions.map(({ id }) => id);
  }

  /** Publishes the init segments of renditions that are passed through. */
  begin(): void {
    for (const { lane } of this.#passedThrough) {
      const track = trackOf(this.#period, lane.rendition.kind);
      if (track !== undefined) this.#publishInit(lane.rendition, passthroughInit(lane.rendition, track));
    }
  }

  /** The header of an output of ffmpeg. Throws `OutputAssertionError`. */
  onHeader(output: number, header: InitTrack): void {
    const rendition = this.#encoded[output]?.rendition;
    if (rendition !== undefined) this.#publishInit(rendition, encodedInit(rendition, header));
  }

  /** A sample of an output of ffmpeg. Throws `OutputAssertionError`. */
  onSample(output: number, sample: MediaSample): void {
    const lane = this.#encoded[output];
    if (lane !== undefined) this.#take(lane.rendition.id, lane.push(sample));
  }

  /** An access unit of ingest, for the renditions that are passed through. */
  onFragment(fragment: relay.Fragment): void {
    for (const { lane, trackId } of this.#passedThrough) {
      if (trackId === fragment.trackId) this.#take(lane.rendition.id, lane.push(fragment));
    }
  }

  /** The input is over and all output is there: whatever is open is complete. Nothing after `lastK` is published. */
  flush(lastK: number): void {
    this.#lastK = lastK;
    for (const lane of this.#encoded) this.#publishAll(lane.rendition.id, lane.flush());
    for (const { lane } of this.#passedThrough) this.#take(lane.rendition.id, lane.flush());
  }

  #take(renditionId: string, { parts, gapUntil, lost }: LaneOutput): void {
    this.#publishAll(renditionId, parts);
    if (lost !== undefined && lost.k <= this.#lastK)
      this.#listener.onSegmentLost(renditionId, lost.k, lost.cause);
    if (gapUntil === undefined) return;
    this.#rows.fillGaps(renditionId, gapUntil.k > this.#lastK ? { k: this.#lastK + 1, part: 0 } : gapUntil);
    this.#fillIdle();
  }

  #publishAll(renditionId: string, assembled: readonly AssembledPart[]): void {
    const parts = assembled.filter(({ position }) => position.k <= this.#lastK);
    if (parts.length === 0) return;
    for (const part of parts) this.#rows.publish(renditionId, part);
    this.#fillIdle();
    this.#listener.onPart(renditionId);
  }

  /** Renditions that make nothing at the moment get gap parts as far as the slowest of the others has come. */
  #fillIdle(): void {
    const { author } = this.#rows;
    let slowest: sink.Position | undefined;
    const idle: string[] = [];
    for (const id of this.#renditionIds) {
      const first = this.#first.get(id);
      const next = author.next(id);
      if (first === undefined || comparePositions(next, first) < 0) idle.push(id);
      else if (slowest === undefined || comparePositions(next, slowest) < 0) slowest = next;
    }
    if (slowest === undefined) return;
    for (const id of idle) {
      const first = this.#first.get(id) ?? slowest;
      this.#rows.fillGaps(id, comparePositions(first, slowest) < 0 ? first : slowest);
    }
  }

  #publishInit(rendition: session.Rendition, data: Buffer): void {
    const isSame = this.#rows.publishInit({ renditionId: rendition.id, period: this.#period.ordinal, data });
    if (!isSame) this.#listener.onInitDiffers(rendition.id);
  }
}
