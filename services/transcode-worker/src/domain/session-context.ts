import type { session } from '@millrace/contracts';
import type { Clock, EventEmitter, Logger, MediaRelay } from '@millrace/runtime';
import type { WorkerConfig } from '../config.ts';
import type { WorkerMetrics } from '../metrics.ts';
import type { Outage } from './outage.ts';
import type { PartGrid } from './part-grid.ts';
import type { RowPublisher } from './row-publisher.ts';
import type { StartTranscoder } from './transcoder.ts';

/** What everything that works for one session has in common, while one publish stream is open. */
export interface SessionContext {
  readonly channel: string;
  readonly sessionId: string;
  readonly leaseToken: number;
  readonly presentation: session.Presentation;
  readonly segmentSeconds: number;
  readonly grid: PartGrid;
  readonly rows: RowPublisher;
  readonly relay: MediaRelay;
  /** Calls to the relay, as far as they fail. */
  readonly ingestOutage: Outage;
  readonly startTranscoder: StartTranscoder;
  readonly config: WorkerConfig;
  readonly metrics: WorkerMetrics;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly clock: Clock;
  /** False while another worker leads and this one stands by: nothing is told or counted of what it makes. */
  readonly isOnAir: () => boolean;
  /** The session's record as it is now. */
  readonly record: () => session.SessionRecord;
}
