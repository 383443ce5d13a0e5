import type { sink } from '@millrace/contracts';
import { jittered } from '@millrace/runtime';
import type { SegmentIndex } from '@millrace/runtime';
import { pause } from './deadline.ts';

/** The two packagers of a session. */
const PLACES = [0, 1] as const;
const INDEX_RETRY_MS = 250;

/** Follows the leader's rows at both packagers: one of them may be away. */
export class LeaderRows {
  readonly #indexAt: (place: number) => SegmentIndex | undefined;
  readonly #sessionId: string;
  readonly #onWatches: (delta: number) => void;
  readonly #first = Promise.withResolvers<readonly sink.Row[]>();
  /** Called with all rows but the first ones. */
  onRows: (rows: readonly sink.Row[]) => void = () => undefined;

  constructor(
    indexAt: (place: number) => SegmentIndex | undefined,
    sessionId: string,
    onWatches: (delta: number) => void,
  ) {
    this.#indexAt = indexAt;
    this.#sessionId = sessionId;
    this.#onWatches = onWatches;
  }

  /** The whole window of whichever packager answers first. */
  get first(): Promise<readonly sink.Row[]> {
    return this.#first.promise;
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(PLACES.map((place) => this.#follow(place, signal)));
  }

  async #follow(place: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let isAnswered = false;
      try {
        const request = { sessionId: this.#sessionId, withParts: true };
        for await (const { rows } of this.#indexAt(place)?.watch(request, signal) ?? []) {
          if (!isAnswered) this.#onWatches(1);
          isAnswered = true;
          this.#first.resolve(rows);
          this.onRows(rows);
        }
      } catch {
        // The other packager has the rows too; the next round is the next try.
      } finally {
        if (isAnswered) this.#onWatches(-1);
      }
      await pause(jittered(INDEX_RETRY_MS), signal);
    }
  }
}
