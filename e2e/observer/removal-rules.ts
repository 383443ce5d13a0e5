import type { Library } from './library.ts';
import type { MediaPlaylist } from './media-playlist.ts';
import type { Report } from './report.ts';
import type { Timing } from './timing.ts';

/** H-8: what has left a playlist stays for its duration and that of the longest playlist that had it. */
export class RemovalRules {
  readonly #where: string;
  readonly #context: RemovalContext;
  /** Until when what was removed has to be there, by URL. */
  readonly #lifetimes = new Map<string, number>();

  constructor(where: string, context: RemovalContext) {
    this.#where = where;
    this.#context = context;
  }

  /** Asks for everything whose time is not over. */
  async check(before: MediaPlaylist, after: MediaPlaylist, seen: SeenSegments): Promise<void> {
    const { library, report, timing, lookMs } = this.#context;
    const windowSeconds = before.segments.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0);
    for (const segment of before.segments) {
      const seenMs = seen.get(segment.msn)?.seenMs;
      if (segment.msn >= after.mediaSequence || segment.isGap || seenMs === undefined) continue;
      // It may have appeared up to one look earlier than it was seen.
      this.#lifetimes.set(segment.url, seenMs - lookMs + (segment.durationSeconds + windowSeconds) * 1000);
    }
    for (const [url, untilMs] of this.#lifetimes) {
      if (timing.now() >= untilMs) {
        this.#lifetimes.delete(url);
        continue;
      }
      const { status } = await library.ask(url, { method: 'HEAD' });
      // The answer may have taken longer than the rest of the lifetime.
      if (status === 200 || timing.now() >= untilMs) continue;
      report.add('H-8', this.#where, `${url} was answered with ${status} before its time was over`);
      this.#lifetimes.delete(url);
    }
  }
}

/** What the rules ask and report with. */
interface RemovalContext {
  readonly library: Library;
  readonly report: Report;
  readonly timing: Timing;
  readonly lookMs: number;
}

/** When segments appeared, by media sequence number. */
type SeenSegments = ReadonlyMap<number, { readonly seenMs: number | undefined }>;
