import { programDateTimeMs } from './media-playlist.ts';
import type { SessionWindow } from './session-window.ts';

/** Age of a session's newest complete segment at its end, of the slowest rendition; `undefined` before there is one. */
export function sessionAgeSeconds(window: SessionWindow, nowMs: number): number | undefined {
  let oldestEndMs: number | undefined;
  for (const rendition of window.renditions) {
    const { lastComplete: last, terms } = rendition;
    if (last === undefined || terms === undefined) continue;
    const endMs = programDateTimeMs(last, terms.timescale) + (last.durationTicks / terms.timescale) * 1000;
    oldestEndMs = Math.min(oldestEndMs ?? endMs, endMs);
  }
  return oldestEndMs === undefined ? undefined : (nowMs - oldestEndMs) / 1000;
}
