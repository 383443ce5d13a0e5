import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

/** Metrics of playlist-api. */
export type PlaylistApiMetrics = ReturnType<typeof createPlaylistApiMetrics>;

/** Registers every metric of playlist-api. */
export function createPlaylistApiMetrics(registry: Registry) {
  const registers = [registry];
  return {
    requests: new Counter({
      name: 'millrace_playlist_api_requests_total',
      help: 'HTTP requests answered, by route and status.',
      labelNames: ['route', 'status'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'millrace_playlist_api_request_duration_seconds',
      help: 'Time from request to answer, holds included, by route.',
      labelNames: ['route'],
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    heldRequests: new Gauge({
      name: 'millrace_playlist_api_held_requests',
      help: 'Viewers that are held while a session is starting.',
      registers,
    }),
    publishAnswers: new Counter({
      name: 'millrace_playlist_api_publish_answers_total',
      help: 'Answers to ingest about stream keys: granted, or why not.',
      labelNames: ['result'],
      registers,
    }),
    adminRefusals: new Counter({
      name: 'millrace_playlist_api_admin_refusals_total',
      help: 'REST requests without the admin token, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    sessions: new Gauge({
      name: 'millrace_playlist_api_sessions',
      help: 'Sessions that are known, by state.',
      labelNames: ['state'],
      registers,
    }),
    sweepFailures: new Counter({
      name: 'millrace_playlist_api_sweep_failures_total',
      help: 'Runs of the janitor that failed.',
      registers,
    }),
  };
}
