import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { RequestTally } from './adapters/request-tally.ts';

/** What the gauges read when they are collected. */
export interface PackagerState {
  readonly mediaBytes: number;
  readonly tsCacheBytes: number;
  readonly waiterCount: number;
  readonly indexReaderCount: number;
  readonly sessionCount: number;
  /** Sessions of which something is still to be copied. */
  readonly fillingCount: number;
  /** Age of each session's newest media, by session id, in seconds. */
  ages(): Iterable<readonly [sessionId: string, seconds: number]>;
}

/** Metrics of the packager. */
export type PackagerMetrics = ReturnType<typeof createPackagerMetrics>;

/** Registers every metric of the packager. */
export function createPackagerMetrics(registry: Registry) {
  const registers = [registry];
  const tally = new RequestTally();
  let state: PackagerState | undefined;
  // Prometheus reads these when it collects; the request path only counts in an array.
  const responses = new Counter({
    name: 'millrace_packager_responses_total',
    help: 'HTTP responses, by object and status.',
    labelNames: ['object', 'status'],
    registers,
    collect() {
      this.reset();
      for (const { object, status, count } of tally.responses()) this.inc({ object, status }, count);
    },
  });
  const responseBytes = new Counter({
    name: 'millrace_packager_response_bytes_total',
    help: 'Bytes of HTTP bodies handed to connections, by object.',
    labelNames: ['object'],
    registers,
    collect() {
      this.reset();
      for (const { object, bytes } of tally.bytes()) this.inc({ object }, bytes);
    },
  });
  const gauge = (name: string, help: string, read: (state: PackagerState) => number): Gauge =>
    new Gauge({
      name: `millrace_packager_${name}`,
      help,
      registers,
      collect() {
        this.set(state === undefined ? 0 : read(state));
      },
    });
  return {
    tally,
    responses,
    responseBytes,
    /** Says what the gauges read. */
    observe(source: PackagerState): void {
      state = source;
    },
    mediaBytes: gauge('media_bytes', 'Bytes of segments and init segments held.', (now) => now.mediaBytes),
    tsCacheBytes: gauge('ts_cache_bytes', 'Bytes of MPEG-TS segments kept.', (now) => now.tsCacheBytes),
    waiters: gauge('waiters', 'Requests that are held.', (now) => now.waiterCount),
    indexReaders: gauge(
      'index_readers',
      'Readers of the segment index that wait for rows.',
      (now) => now.indexReaderCount,
    ),
    sessions: gauge('sessions', 'Sessions held.', (now) => now.sessionCount),
    filling: gauge(
      'filling_sessions',
      'Sessions held that are still to be filled from another packager.',
      (now) => now.fillingCount,
    ),
    age: new Gauge({
      name: 'millrace_packager_session_age_seconds',
      help: 'Age of the newest complete segment: now - (pts + utcOffset) at its end, of the slowest rendition.',
      labelNames: ['session'],
      registers,
      collect() {
        this.reset();
        for (const [session, seconds] of state?.ages() ?? []) this.set({ session }, seconds);
      },
    }),
    parts: new Counter({
      name: 'millrace_packager_parts_total',
      help: 'Parts: stored, a duplicate of one that was held, or copied from another packager.',
      labelNames: ['result'],
      registers,
    }),
    refusals: new Counter({
      name: 'millrace_packager_refusals_total',
      help: 'Parts, init segments and hellos that were refused, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    forwarded: new Counter({
      name: 'millrace_packager_forwarded_requests_total',
      help: 'Requests that were sent on to a packager that holds the session, by what came of it; rejected: none was sent, for want of room.',
      labelNames: ['result'],
      registers,
    }),
    collapsed: new Counter({
      name: 'millrace_packager_collapsed_requests_total',
      help: 'Requests for another packager that joined an equal one under way.',
      registers,
    }),
    fills: new Counter({
      name: 'millrace_packager_fills_total',
      help: 'Sessions whose window was copied from another packager (filled), for which nobody held anything (empty), or whose window was given up because it did not go with that of the twin (restarted).',
      labelNames: ['result'],
      registers,
    }),
    fillDuration: new Histogram({
      name: 'millrace_packager_fill_seconds',
      help: 'Time from the moment in which a session came to this packager to the moment in which everything was copied.',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    placements: new Counter({
      name: 'millrace_packager_placements_total',
      help: 'Attempts to place a session on this packager in stead of one that is gone: placed, lost-race, or failed.',
      labelNames: ['result'],
      registers,
    }),
    rateExceeded: new Counter({
      name: 'millrace_packager_declared_rate_exceeded_total',
      help: 'Segments above 125 % of the declared peak, or with an average above 110 % of the declared one.',
      labelNames: ['rate'],
      registers,
    }),
    muxFailures: new Counter({
      name: 'millrace_packager_ts_failures_total',
      help: 'Segments that could not be made MPEG-TS.',
      registers,
    }),
    handlerFailures: new Counter({
      name: 'millrace_packager_handler_failures_total',
      help: 'Requests that ended in a fault of the packager.',
      registers,
    }),
  };
}
