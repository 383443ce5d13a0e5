import type { session, twin } from '@millrace/contracts';

/**
 * What a packager holds of a session, for another packager: a header, everything that is held, `caughtUp`, then what is stored
 * from then on and a heartbeat each second in which nothing is.
 *
 * Parts come in order within each rendition; a part that is made again (B-frames) comes again from part 0 of its segment.
 * Answers at once, also when nothing is held: then the header says so and the stream ends. Ends when the session is over and
 * everything was given, or when the signal is aborted. A reader that is so slow that parts slid out before it had them is ended
 * with `PACKAGER_COPY_LAGGED` and begins anew.
 */
export interface SessionCopy {
  follow(request: twin.FollowRequest, signal: AbortSignal): AsyncIterable<twin.FollowResponse>;
}

/** Finds the copies that other packagers give. Whether one is there shows when it is called. */
export interface SessionCopies {
  copyAt(packager: session.Peer): SessionCopy;
}
