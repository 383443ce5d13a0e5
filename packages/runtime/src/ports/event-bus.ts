import type { MillraceEvent } from '@millrace/contracts';

/** An event on the bus: the attributes of a CloudEvent 1.0 and its data. */
export interface EventEnvelope {
  /** `ce_id`: unique, for consumers that deduplicate. */
  readonly id: string;
  /** `ce_source`: `/<service>/<instance>`. */
  readonly source: string;
  /** `ce_time`, ms since 1970. */
  readonly timeMs: number;
  /** `ce_subject`: the session, or empty. */
  readonly subject: string;
  /** Key: the channel, so that a channel's events are in order. */
  readonly channel: string;
  /** W3C Trace Context of what made the event, when it was traced. */
  readonly traceparent?: string;
  /** What happened. */
  readonly event: MillraceEvent;
}

/** Receives events one at a time, in order within a channel. */
export type EventHandler = (envelope: EventEnvelope) => void | Promise<void>;

/**
 * Says what happened; never a lock and never in the media path.
 *
 * `publish` does not wait: what cannot be delivered at once is kept in a bounded buffer, the oldest dropped with a count.
 * Delivery is at least once: an event that comes twice has the same id.
 */
export interface EventBus {
  publish(envelope: EventEnvelope): void;
  /** Delivers every later event to the handler until the returned function is called. */
  subscribe(handler: EventHandler): () => void;
}

/** Publishes events in the name of one service instance: it adds id, source and time. */
export interface EventEmitter {
  emit(event: MillraceEvent): void;
}
