import { session } from '@millrace/contracts';
import { rationalToNumber } from '@millrace/media';
import type { BoundaryReached, Rational, SegmentStarted } from '@millrace/media';
import type { EncoderMetadata } from './encoder-metadata.ts';
import { planPresentation } from './presentation.ts';

/**
 * Waits for what has to be known before the presentation can be planned, once in a session.
 *
 * That is the wall clock of the first segment; on a channel with a `source` rung, also whether the first boundary after the
 * first IDR was met. Each step returns the presentation when it was the last one that was missing.
 */
export class SessionOpening {
  readonly #channel: session.Channel;
  #isPlanned: boolean;
  #first: { readonly period: session.Period; readonly segmentDuration: Rational } | undefined;
  #utcOffsetUs: number | undefined;
  metadata: EncoderMetadata | undefined;

  constructor(channel: session.Channel, isPlanned: boolean) {
    this.#channel = channel;
    this.#isPlanned = isPlanned;
  }

  openPeriod(period: session.Period, segmentDuration: Rational): void {
    if (!this.#isPlanned) this.#first = { period, segmentDuration };
  }

  startSegment({ utcOffsetUs }: SegmentStarted): session.Presentation | undefined {
    if (this.#first === undefined || this.#utcOffsetUs !== undefined) return undefined;
    this.#utcOffsetUs = utcOffsetUs;
    const hasVideo = this.#first.period.tracks.some(({ kind }) => kind === session.TrackKind.VIDEO);
    const awaitsBoundary = hasVideo && this.#channel.ladder.some((rung) => rung.isSource);
    return awaitsBoundary ? undefined : this.#plan(undefined);
  }

  reachBoundary(boundary: BoundaryReached): session.Presentation | undefined {
    return this.#plan(boundary);
  }

  endPeriod(): session.Presentation | undefined {
    return this.#plan(undefined);
  }

  #plan(boundary: BoundaryReached | undefined): session.Presentation | undefined {
    const first = this.#first;
    const utcOffsetUs = this.#utcOffsetUs;
    if (first === undefined || utcOffsetUs === undefined) return undefined;
    this.#first = undefined;
    this.#isPlanned = true;
    const { segmentDuration } = first;
    return planPresentation({
      channel: this.#channel,
      tracks: first.period.tracks,
      segmentDuration,
      utcOffsetUs,
      source:
        boundary === undefined
          ? undefined
          : {
              hasMetBoundary: boundary.isMet,
              bitrateBps: Math.round((boundary.previousBytes * 8) / rationalToNumber(segmentDuration)),
            },
      videoBps: this.metadata?.videoBps,
      audioBps: this.metadata?.audioBps,
    });
  }
}
