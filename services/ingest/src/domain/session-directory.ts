import { session } from '@millrace/contracts';
import type { SessionStore } from '@millrace/runtime';
import { IngestSession } from './ingest-session.ts';
import type { IngestSessionDependencies } from './ingest-session.ts';
import { RecordWriter } from './record-writer.ts';

/** A session and the writer of its record. */
export interface LiveSession {
  readonly session: IngestSession;
  readonly writer: RecordWriter;
}

const RETRY_INTERVAL_MS = 250;

/** The sessions whose media this ingest holds; each lives until its record says `ended`. */
export class SessionDirectory {
  readonly #store: SessionStore;
  readonly #dependencies: Omit<IngestSessionDependencies, 'writer'>;
  readonly #sessions = new Map<string, LiveSession>();
  readonly #stopping = new AbortController();
  #ringBytes = 0;

  constructor(options: {
    readonly store: SessionStore;
    readonly dependencies: Omit<IngestSessionDependencies, 'writer'>;
  }) {
    this.#store = options.store;
    this.#dependencies = options.dependencies;
  }

  /** Begins to follow the records; ends with `stop`. */
  start(): void {
    void this.#followRecords();
  }

  stop(): void {
    this.#stopping.abort();
    for (const id of this.#sessions.keys()) this.#end(id);
  }

  get(sessionId: string): IngestSession | undefined {
    return this.#sessions.get(sessionId)?.session;
  }

  /** Recent media of all sessions, as of the last report. */
  get ringBytes(): number {
    return this.#ringBytes;
  }

  /** Brings the metrics of all sessions up to date. */
  report(nowMs: number): void {
    this.#ringBytes = 0;
    for (const { session: live } of this.#sessions.values()) {
      live.report(nowMs);
      this.#ringBytes += live.media.bytes;
    }
  }

  /** The session of a record, made if this ingest does not have it yet; `onLost` is told when a token counts no more. */
  open(
    record: session.SessionRecord,
    channel: session.Channel,
    onLost: (token: number) => void,
  ): LiveSession {
    const known = this.#sessions.get(record.sessionId);
    if (known !== undefined) return known;
    const { logger } = this.#dependencies;
    const writer = new RecordWriter({ store: this.#store, logger, channel: channel.name, onLost });
    const live = { session: new IngestSession(record, channel, { ...this.#dependencies, writer }), writer };
    this.#sessions.set(record.sessionId, live);
    return live;
  }

  async #followRecords(): Promise<void> {
    const { logger } = this.#dependencies;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        for await (const record of this.#store.watch(signal)) {
          if (record.state === session.SessionState.ENDED) this.#end(record.sessionId);
        }
      } catch (error) {
        logger.warn({ err: error }, 'The session records cannot be followed; trying again');
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL_MS));
    }
  }

  #end(sessionId: string): void {
    const live = this.#sessions.get(sessionId);
    if (live === undefined) return;
    this.#sessions.delete(sessionId);
    live.writer.end();
    live.session.end();
    this.#dependencies.logger.info({ sessionId }, 'Session ended');
  }
}
