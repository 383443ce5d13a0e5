import { EventEmitter, once } from 'node:events';
import { session } from '@millrace/contracts';
import type { MillraceEvent } from '@millrace/contracts';
import { createLogger, createRegistry, MemoryLeaseStore } from '@millrace/runtime';
import type { LeaseStore } from '@millrace/runtime';
import { createFfmpegTranscoder } from '../adapters/ffmpeg-transcoder.ts';
import { workerConfigSchema } from '../config.ts';
import type { WorkerConfig } from '../config.ts';
import { SessionRunner } from '../domain/session-runner.ts';
import { Outage } from '../domain/outage.ts';
import type { SessionOutcome } from '../domain/session-runner.ts';
import type { StartTranscoder, Transcoder } from '../domain/transcoder.ts';
import { createWorkerMetrics } from '../metrics.ts';
import type { WorkerMetrics } from '../metrics.ts';
import { FakeRelay } from './fake-relay.ts';
import { FakeSink } from './fake-sink.ts';
import { peersOf } from './peers.ts';
import { audioRendition, videoRendition } from './renditions.ts';
import { makeSyntheticMedia } from './synthetic-media.ts';
import type { SyntheticInput } from './synthetic-media.ts';

/** First segment of the first period in tests: its start is on the grid for SEG 2. */
export const FIRST_K = 850_000_001;
/** The start of `FIRST_K` in 90 kHz ticks. */
export const START_TICKS = FIRST_K * 180_000;

/** A presentation for tests: SEG 2, PT 1, a rung of 320x180 and one of 160x90, audio. */
export function presentationOf(change: Partial<session.Presentation> = {}): session.Presentation {
  return {
    renditions: [
      videoRendition(),
      videoRendition({ id: '90p', width: 160, height: 90, targetBps: 100_000 }),
      audioRendition(),
    ],
    segmentDurationSeconds: { numerator: 2, denominator: 1 },
    partDurationSeconds: { numerator: 1, denominator: 1 },
    partTargetUs: 1_100_000,
    targetDurationSeconds: 2,
    windowSegments: 6,
    availabilityStartMs: 0,
    preset: session.Preset.LOW_LATENCY,
    isVariableFrameRate: false,
    redundancy: session.Redundancy.NONE,
    ...change,
  };
}

/** One session on fakes, with the real ffmpeg. */
export class WorkerHarness {
  readonly relay = new FakeRelay();
  readonly sink = new FakeSink();
  readonly events: MillraceEvent[] = [];
  readonly transcoders: Transcoder[] = [];
  /** Called with every ffmpeg that is started. */
  onStart: (transcoder: Transcoder) => void = () => {};
  readonly #changed = new EventEmitter();
  leases: LeaseStore = new MemoryLeaseStore({ clock: Date.now });
  readonly metrics = createWorkerMetrics(createRegistry('transcode-worker'));
  #abort = new AbortController();
  readonly #presentation: session.Presentation;
  readonly #config: WorkerConfig;
  #record: session.SessionRecord;
  #outcome: Promise<SessionOutcome> | undefined;

  constructor(
    presentation: session.Presentation = presentationOf(),
    config: {
      readonly watchdog?: Partial<WorkerConfig['watchdog']>;
      readonly lateness?: Partial<WorkerConfig['lateness']>;
      readonly ffmpeg?: Partial<WorkerConfig['ffmpeg']>;
    } = {},
  ) {
    this.#presentation = presentation;
    this.#config = workerConfigSchema.parse({ ...config, ffmpeg: { encoderThreads: 2, ...config.ffmpeg } });
    this.#record = {
      sessionId: 'session-1',
      channel: 'news',
      state: session.SessionState.LIVE,
      openedAtMs: 0,
      stateSinceMs: 0,
      graceSeconds: 30,
      presentation,
      periods: [],
      currentK: FIRST_K,
      revision: 1,
    };
  }

  /** Adds a period that begins at a segment. */
  async addPeriod(input: SyntheticInput, firstK = FIRST_K): Promise<session.Period> {
    const media = await makeSyntheticMedia(firstK * 180_000, input);
    const period: session.Period = {
      ordinal: this.#record.periods.length,
      firstK,
      startTicks: firstK * 180_000,
      tracks: [...media.tracks],
      reason: 'first',
    };
    this.#record = { ...this.#record, periods: [...this.#record.periods, period] };
    this.relay.addPeriod(period, media);
    return period;
  }

  /** Changes the session's record. */
  change(change: Partial<session.SessionRecord>): void {
    this.#record = { ...this.#record, ...change, revision: this.#record.revision + 1 };
  }

  get periods(): readonly session.Period[] {
    return this.#record.periods;
  }

  /** The sum of a metric over its labels. */
  async sumOf(name: keyof WorkerMetrics): Promise<number> {
    const { values } = await this.metrics[name].get();
    return values.reduce((sum, { value }) => sum + value, 0);
  }

  /** Starts the worker for the session. */
  start(): void {
    this.#abort = new AbortController();
    const start = createFfmpegTranscoder({
      path: this.#config.ffmpeg.path,
      sendSignal: (pid, signal) => process.kill(pid, signal),
    });
    const startTranscoder: StartTranscoder = (plan, audioTrack, listener) => {
      const transcoder = start(plan, audioTrack, listener);
      this.transcoders.push(transcoder);
      this.onStart(transcoder);
      return transcoder;
    };
    const { metrics } = this;
    const logger = createLogger({ service: 'transcode-worker', level: 'error' });
    this.#outcome = new SessionRunner(
      {
        peers: peersOf(this.relay, this.sink),
        leases: this.leases,
        draining: new AbortController().signal,
        onRole: () => undefined,
        leaseOutage: new Outage({ peer: 'leases', metrics, logger, clock: Date.now }),
        startTranscoder,
        config: this.#config,
        metrics,
        events: {
          emit: (event) => {
            this.events.push(event);
            this.#changed.emit('event');
          },
        },
        logger,
        clock: Date.now,
      },
      () => this.#record,
      this.#presentation,
    ).run(this.#abort.signal);
  }

  /** The newest ffmpeg. */
  get transcoder(): Transcoder {
    const transcoder = this.transcoders.at(-1);
    if (transcoder === undefined) throw new Error('no ffmpeg was started');
    return transcoder;
  }

  /** Events of one type. */
  eventsOf<T extends MillraceEvent['type']>(type: T): readonly Extract<MillraceEvent, { type: T }>['data'][] {
    return this.events.filter((event) => event.type === type).map(({ data }) => data) as never;
  }

  /** Resolves when the condition holds, which is judged after every event; rejects after `deadlineMs`. */
  async until(condition: () => boolean, deadlineMs = 30_000): Promise<void> {
    const signal = AbortSignal.timeout(deadlineMs);
    try {
      while (!condition()) await once(this.#changed, 'event', { signal });
    } catch (error) {
      const said = this.events.map((event) => JSON.stringify(event)).join('\n');
      throw new Error(`${String(condition)}: not within ${deadlineMs} ms; these events came:\n${said}`, {
        cause: error,
      });
    }
  }

  /** Resolves with how the work ended. */
  async finished(): Promise<SessionOutcome> {
    return (await this.#outcome) ?? 'stopped';
  }

  /** Stops the work; resolves when nothing of it is left. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#outcome;
  }
}
