import { numberInName } from './grid-rules.ts';
import type { FollowedSegment, RenditionFollower } from './rendition-follower.ts';
import type { Report } from './report.ts';

/** H-10: dates have milliseconds, so two of them may differ by one and its rounding. */
const MAX_DATE_SKEW_MS = 2;

/** Compares each segment once with its counterparts in the other renditions of a presentation (C-2, H-6, M-5). */
export class AgreementRules {
  readonly #report: Report;
  readonly #compared = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** Compares what the followers of one multivariant playlist have. */
  check(followers: readonly RenditionFollower[]): void {
    const [reference, ...others] = followers;
    if (reference === undefined) return;
    for (const other of others) {
      this.#checkTargetDuration(reference, other);
      for (const [msn, segment] of other.segments) {
        const counterpart = reference.segments.get(msn);
        const key = `${other.url} ${msn}`;
        if (counterpart === undefined || this.#compared.has(key)) continue;
        this.#compared.add(key);
        this.#compare(reference.label, counterpart, other.label, segment);
      }
    }
  }

  #checkTargetDuration(reference: RenditionFollower, other: RenditionFollower): void {
    const [expected, actual] = [reference.playlist?.targetDuration, other.playlist?.targetDuration];
    if (expected === undefined || actual === undefined) return;
    this.#report.expect(
      actual === expected,
      'H-1',
      other.label,
      `its target duration is ${actual}, that of ${reference.label} ${expected}`,
    );
  }

  #compare(labelA: string, a: FollowedSegment, labelB: string, b: FollowedSegment): void {
    const where = `${labelB} ${b.listed.msn}`;
    this.#report.expect(
      a.listed.dsn === b.listed.dsn && a.listed.isDiscontinuity === b.listed.isDiscontinuity,
      'H-6',
      where,
      `discontinuity sequence number ${b.listed.dsn}, in ${labelA} ${a.listed.dsn}`,
    );
    const [numberA, numberB] = [numberInName(a.listed.url), numberInName(b.listed.url)];
    this.#report.expect(
      numberA === numberB,
      'M-5',
      where,
      `it is segment ${String(numberB)}, in ${labelA} ${String(numberA)}`,
    );
    if (a.facts === undefined || b.facts === undefined || a.init === undefined || b.init === undefined)
      return;
    const seconds = (segment: typeof a): number =>
      (segment.facts?.tfdt ?? 0) / (segment.init?.timescale ?? 1);
    const skewSeconds = seconds(b) - seconds(a);
    if (a.init.kind === b.init.kind) {
      this.#report.expect(
        a.facts.tfdt === b.facts.tfdt && a.facts.durationTicks === b.facts.durationTicks,
        'C-2',
        where,
        `it spans ${b.facts.tfdt} + ${b.facts.durationTicks}, in ${labelA} ${a.facts.tfdt} + ${a.facts.durationTicks}`,
      );
    } else {
      const frameSeconds = Math.max(frameOf(a), frameOf(b));
      this.#report.expect(
        Math.abs(skewSeconds) <= frameSeconds + 0.0005,
        'C-4',
        where,
        `it begins ${skewSeconds.toFixed(4)} s after that of ${labelA}`,
      );
    }
    if (a.listed.pdt === undefined || b.listed.pdt === undefined) return;
    const dateSkewMs = Date.parse(b.listed.pdt) - Date.parse(a.listed.pdt);
    this.#report.expect(
      Math.abs(dateSkewMs - skewSeconds * 1000) <= MAX_DATE_SKEW_MS,
      'H-10',
      where,
      `its date is ${dateSkewMs} ms after that of ${labelA}, its media ${(skewSeconds * 1000).toFixed(1)} ms`,
    );
  }
}

function frameOf({ facts, init }: FollowedSegment): number {
  return facts === undefined || init === undefined
    ? 0
    : facts.durationTicks / init.timescale / Math.max(1, facts.samples);
}
