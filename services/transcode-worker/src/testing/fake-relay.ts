import { relay } from '@millrace/contracts';
import type { session } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { MediaRelay } from '@millrace/runtime';
import type { SyntheticMedia } from './synthetic-media.ts';

interface FakePeriod {
  readonly period: session.Period;
  readonly fragments: readonly relay.Fragment[];
  /** Fragments that have arrived so far. */
  arrived: number;
  isEnded: boolean;
  /** The ring no longer reaches back to where anybody reads. */
  isLagged: boolean;
}

/** An ingest for tests: periods of synthetic media that arrive as the test lets them. */
export class FakeRelay implements MediaRelay {
  readonly #periods: FakePeriod[] = [];
  readonly #waiting = new Set<() => void>();
  readonly openPeriodRequests: relay.OpenPeriodRequest[] = [];
  subscriptions = 0;
  /** What becomes of the access units of one message on their way. */
  onFragments: (fragments: readonly relay.Fragment[]) => relay.Fragment[] = (fragments) => [...fragments];
  /** Called when a new period is asked for; it may add one. */
  onOpenPeriod: () => void = () => {};
  #isSessionEnded = false;
  #isForgotten = false;
  #isLost = false;
  #playing: NodeJS.Timeout | undefined;

  /** Adds a period of which nothing has arrived yet. */
  addPeriod(period: session.Period, media: SyntheticMedia): void {
    this.#periods.push({ period, fragments: media.fragments, arrived: 0, isEnded: false, isLagged: false });
    this.#wake();
  }

  /** Lets everything of the newest period up to a media time (seconds after its start) arrive. */
  arriveUntil(seconds: number): void {
    const current = this.#periods.at(-1);
    if (current === undefined) return;
    const until = current.period.startTicks / 90_000 + seconds;
    for (;;) {
      const next = current.fragments[current.arrived];
      if (next === undefined || next.dts / (next.trackId === 1 ? 90_000 : 48_000) > until) break;
      current.arrived += 1;
    }
    this.#wake();
  }

  /** Lets the newest period arrive in time, `speed` times as fast as it was made, until all of it is there. */
  play(speed = 2): void {
    const startMs = performance.now();
    clearInterval(this.#playing);
    this.#playing = setInterval(() => this.arriveUntil(((performance.now() - startMs) * speed) / 1000), 20);
  }

  /** Stops the play. */
  pause(): void {
    clearInterval(this.#playing);
  }

  /** Lets the rest of the newest period arrive, and ends it. */
  endPeriod(): void {
    this.pause();
    const current = this.#periods.at(-1);
    if (current === undefined) return;
    current.arrived = current.fragments.length;
    current.isEnded = true;
    this.#wake();
  }

  /** Whoever reads the newest period has fallen out of the ring. */
  lag(): void {
    const current = this.#periods.at(-1);
    if (current !== undefined) current.isLagged = true;
    this.#wake();
  }

  endSession(): void {
    this.endPeriod();
    this.#isSessionEnded = true;
    this.#wake();
  }

  /** The session is over and its media are gone, whatever was not read. */
  forgetSession(): void {
    this.pause();
    this.#isForgotten = true;
    this.#wake();
  }

  /** Ingest has never heard of the session: it was started anew. */
  loseSession(): void {
    this.pause();
    this.#isLost = true;
    this.#wake();
  }

  async *subscribe(
    request: relay.SubscribeRequest,
    signal: AbortSignal,
  ): AsyncIterable<relay.SubscribeResponse> {
    this.subscriptions += 1;
    let found = this.#periods.find(({ period }) => period.ordinal === request.period);
    while (found === undefined) {
      if (this.#isSessionEnded || this.#isForgotten) {
        yield endOf(relay.EndReason.SESSION_ENDED);
        return;
      }
      if (!(await this.#arrival(signal))) return;
      found = this.#periods.find(({ period }) => period.ordinal === request.period);
    }
    yield { payload: { $case: 'period', value: found.period } };
    let at = startIndex(found.fragments, request.fromTicks);
    let k = Number.NEGATIVE_INFINITY;
    for (;;) {
      if (this.#isLost) throw new ServiceError('NOT_FOUND', 'INGEST_SESSION_UNKNOWN', 'not here');
      if (this.#isForgotten) {
        yield endOf(relay.EndReason.SESSION_ENDED);
        return;
      }
      if (found.isLagged) {
        yield endOf(relay.EndReason.LAGGED);
        return;
      }
      const fragments = found.fragments.slice(at, found.arrived);
      at = Math.max(at, found.arrived);
      if (fragments.length > 0) {
        const first = Math.floor((fragments[0]?.dts ?? 0) / (fragments[0]?.trackId === 1 ? 180_000 : 96_000));
        if (first > k) {
          k = first;
          yield { payload: { $case: 'wallClock', value: { k, utcOffsetUs: 0 } } };
        }
        yield { payload: { $case: 'fragments', value: { fragments: this.onFragments(fragments) } } };
        continue;
      }
      if (found.isEnded && at >= found.arrived) {
        const isLast = this.#periods.at(-1) === found;
        yield endOf(
          isLast && this.#isSessionEnded ? relay.EndReason.SESSION_ENDED : relay.EndReason.PERIOD_ENDED,
        );
        return;
      }
      if (!(await this.#arrival(signal))) return;
    }
  }

  async openPeriod(request: relay.OpenPeriodRequest): Promise<relay.OpenPeriodResponse> {
    this.openPeriodRequests.push(request);
    this.onOpenPeriod();
    return { period: 0, firstK: 0 };
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async #arrival(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return !signal.aborted;
  }
}

function endOf(reason: relay.EndReason): relay.SubscribeResponse {
  return { payload: { $case: 'end', value: { reason } } };
}

/** The last IDR at or before a time, as ingest begins. */
function startIndex(fragments: readonly relay.Fragment[], fromTicks: number | undefined): number {
  if (fromTicks === undefined) return 0;
  let start = 0;
  for (const [index, { trackId, dts, isRandomAccess }] of fragments.entries()) {
    const isVideo = fragments.some((fragment) => fragment.trackId === 1) ? trackId === 1 : true;
    if (isVideo && isRandomAccess && dts / (trackId === 1 ? 90_000 : 48_000) <= fromTicks / 90_000)
      start = index;
    if (dts / (trackId === 1 ? 90_000 : 48_000) > fromTicks / 90_000) break;
  }
  return start;
}
