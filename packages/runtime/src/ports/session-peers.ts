import type { session } from '@millrace/contracts';
import type { MediaRelay } from './media-relay.ts';
import type { RenditionSink } from './rendition-sink.ts';
import type { SegmentIndex } from './segment-index.ts';

/** A packager that a session is placed on. */
export interface PlacedPackager {
  /** Its instance id. */
  readonly id: string;
  readonly sink: RenditionSink;
  readonly index: SegmentIndex;
}

/**
 * Finds the processes that serve a session, as its record names them.
 *
 * Only names are looked at: whether a process is there shows when it is called, and a call to one that is gone fails as any
 * other does.
 */
export interface SessionPeers {
  /** The ingest that has the session's media. */
  relayOf(record: session.SessionRecord): MediaRelay;
  /** The packagers that hold the session, in the order of its placement; none while it is not placed. */
  packagersOf(record: session.SessionRecord): readonly PlacedPackager[];
}
