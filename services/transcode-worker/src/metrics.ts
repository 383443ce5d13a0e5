import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

/** Metrics of the transcode worker. */
export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>;

/** Defines every metric of the transcode worker. */
export function createWorkerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    sessions: new Gauge({
      name: 'millrace_worker_sessions',
      help: 'Sessions that this worker holds the lease of.',
      registers,
    }),
    standbys: new Gauge({
      name: 'millrace_worker_standby_sessions',
      help: 'Sessions that this worker stands by for.',
      registers,
    }),
    capacityUnits: new Gauge({
      name: 'millrace_worker_capacity_units',
      help: 'Load that this worker takes at most, in units of one 720p30 rendition by x264 veryfast.',
      registers,
    }),
    loadUnits: new Gauge({
      name: 'millrace_worker_load_units',
      help: 'Units of the sessions that this worker leads or stands by for.',
      registers,
    }),
    standbyDivergedRows: new Counter({
      name: 'millrace_worker_standby_diverged_rows_total',
      help: 'Rows of a leader that its standby, this worker, made otherwise of the same media.',
      registers,
    }),
    takeovers: new Counter({
      name: 'millrace_worker_standby_takeovers_total',
      help: 'Times this worker took over as a standby, because the leader was late, or gone or on its way out.',
      labelNames: ['reason'] as const,
      registers,
    }),
    waitingSessions: new Gauge({
      name: 'millrace_worker_waiting_sessions',
      help: 'Live sessions that this worker has no capacity for.',
      registers,
    }),
    parts: new Counter({
      name: 'millrace_worker_parts_total',
      help: 'Parts that were authored, by whether they have media.',
      labelNames: ['state'] as const,
      registers,
    }),
    restarts: new Counter({
      name: 'millrace_worker_transcoder_restarts_total',
      help: 'Times an ffmpeg was started again, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    missedBoundaries: new Counter({
      name: 'millrace_worker_source_boundaries_missed_total',
      help: 'Segments of source rungs that became gaps because the encoder sent no IDR at their start.',
      registers,
    }),
    shedRungs: new Gauge({
      name: 'millrace_worker_shed_rungs',
      help: 'Rungs that are gaps now because an encoder fell behind.',
      registers,
    }),
    lateness: new Gauge({
      name: 'millrace_worker_output_lateness_seconds',
      help: 'How far the output of a session is behind its input, beyond the latency of the encoder.',
      labelNames: ['channel', 'session'] as const,
      registers,
    }),
    partAge: new Histogram({
      name: 'millrace_worker_part_age_seconds',
      help: 'Age of the last sample of a part when it was handed to the packager.',
      buckets: [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10],
      registers,
    }),
    leaseLosses: new Counter({
      name: 'millrace_worker_lease_losses_total',
      help: 'Times a lease was lost: renewed too late, gone from the store, or overruled by a newer token.',
      registers,
    }),
    lostPackagers: new Counter({
      name: 'millrace_worker_packagers_lost_total',
      help: 'Times a packager of a session took nothing any more while its twin may have.',
      registers,
    }),
    droppedParts: new Counter({
      name: 'millrace_worker_dropped_parts_total',
      help: 'Parts with media that came after the packager had ended their session.',
      registers,
    }),
    droppedInput: new Counter({
      name: 'millrace_worker_dropped_input_total',
      help: 'Access units of ingest that were not used, by what is wrong with them.',
      labelNames: ['reason'] as const,
      registers,
    }),
    peerFailures: new Counter({
      name: 'millrace_worker_peer_failures_total',
      help: 'Calls that failed, by whom they were made to: packager, ingest, leases.',
      labelNames: ['peer'] as const,
      registers,
    }),
    peerOutages: new Gauge({
      name: 'millrace_worker_peer_outages',
      help: 'Calls that are being tried again now: sessions without their packager or ingest, and the store of the leases.',
      labelNames: ['peer'] as const,
      registers,
    }),
  };
}
