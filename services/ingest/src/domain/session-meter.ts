import type { session } from '@millrace/contracts';
import type { SegmentStarted, TimelineUnit } from '@millrace/media';
import type { IngestMetrics } from '../metrics.ts';

/** Counts what a session relays; collected here and reported once a second, since a labelled counter costs more than the unit. */
export class SessionMeter {
  readonly #metrics: IngestMetrics;
  readonly #labels: { readonly channel: string; readonly session: string };
  readonly #timescales = new Map<number, number>();
  readonly #counts = { video: { received: 0, filler: 0 }, audio: { received: 0, filler: 0 } };
  #newest: TimelineUnit | undefined;
  #utcOffsetUs = 0;
  #hasEnded = false;

  constructor(channel: string, sessionId: string, metrics: IngestMetrics) {
    this.#metrics = metrics;
    this.#labels = { channel, session: sessionId };
  }

  openPeriod(period: session.Period): void {
    this.#timescales.clear();
    for (const { trackId, timescale } of period.tracks) this.#timescales.set(trackId, timescale);
  }

  startSegment({ utcOffsetUs }: SegmentStarted): void {
    this.#utcOffsetUs = utcOffsetUs;
  }

  count(unit: TimelineUnit): void {
    const counts = this.#counts[unit.kind];
    if (unit.isFiller) counts.filler += 1;
    else {
      counts.received += 1;
      this.#newest = unit;
    }
  }

  /** Adds what was counted to the metrics, and says how old the newest access unit is. */
  report(nowMs: number): void {
    for (const kind of ['video', 'audio'] as const) {
      const counts = this.#counts[kind];
      for (const state of ['received', 'filler'] as const) {
        if (counts[state] > 0) this.#metrics.accessUnits.inc({ kind, state }, counts[state]);
        counts[state] = 0;
      }
    }
    const newest = this.#newest;
    if (newest === undefined || this.#hasEnded) return;
    const timescale = this.#timescales.get(newest.trackId) ?? 1;
    const ptsSeconds = (newest.dts + newest.compositionOffset) / timescale;
    this.#metrics.sessionAge.set(this.#labels, nowMs / 1000 - ptsSeconds - this.#utcOffsetUs / 1e6);
  }

  /** The session is over, or elsewhere: what was counted counts, its gauge goes and does not come back. */
  end(): void {
    this.#hasEnded = true;
    this.report(0);
    this.#metrics.sessionAge.remove(this.#labels);
  }
}
