import { session } from '@millrace/contracts';
import { isPlayable, retentionMs } from './session-view.ts';
import type { SessionView } from './session-view.ts';

/** What a viewer of a channel gets now. */
export type Playback =
  /** The playlist, live or ended. */
  | 'serve'
  /** A session is starting: worth to be held for a few seconds. */
  | 'starting'
  /** The channel has no session. */
  | 'not-live'
  /** The last session is over and its media are gone (O-4). */
  | 'gone';

/**
 * Decides what the newest session of a channel means to a viewer.
 *
 * In a gap a playable session is served as before: a 401 or 404 there is fatal in players.
 */
export function decidePlayback(view: SessionView | undefined, nowMs: number): Playback {
  if (view === undefined) return 'not-live';
  const { record } = view;
  if (record.state !== session.SessionState.ENDED) return isPlayable(view) ? 'serve' : 'starting';
  if (record.presentation === undefined || !isPlayable(view)) return 'not-live';
  return nowMs - record.stateSinceMs < retentionMs(record.presentation) ? 'serve' : 'gone';
}
