import { session } from '@millrace/contracts';
import { followSessionRecords } from '@millrace/runtime';
import type { SessionStore } from '@millrace/runtime';
import { IngestSession } from './ingest-session.ts';
import type { IngestSessionDependencies } from './ingest-session.ts';
import { RecordWriter } from './record-writer.ts';

/** A session and the writer of its record. */
export interface LiveSession {
  readonly session: IngestSession;
  readonly writer: RecordWriter;
}

/** How long the media of a session that is over, or elsewhere, are kept for workers that have not read all of them. */
const LINGER_MS = 10_000;
/** Sessions that are remembered to be over, the oldest forgotten first; the store forgets them after minutes. */
const MAX_REMEMBERED = 4096;

/**
 * The sessions whose media this ingest holds; each lives until its record says `ended`, and its media a little longer.
 *
 * A session in whose record a period stands that is not from here has moved: another ingest has the publication. It is known
 * until it ends, so that workers hear where it is not, but its media go like those of one that is over.
 */
export class SessionDirectory {
  readonly #store: SessionStore;
  readonly #dependencies: Omit<IngestSessionDependencies, 'writer'>;
  readonly #sessions = new Map<string, LiveSession>();
  /** Over, with media that can still be read. */
  readonly #lingering = new Map<string, { readonly live: LiveSession; readonly timer: NodeJS.Timeout }>();
  /** Elsewhere, with media that can still be read. */
  readonly #moved = new Map<IngestSession, NodeJS.Timeout>();
  readonly #overIds = new Set<string>();
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
    void followSessionRecords(this.#store, {
      signal: this.#stopping.signal,
      logger: this.#dependencies.logger,
      onRecord: (record) => this.#take(record),
    });
  }

  /** Frees everything: encoders go on elsewhere, and workers are told so. */
  stop(): void {
    this.#stopping.abort();
    for (const id of this.#lingering.keys()) this.#free(id);
    for (const timer of this.#moved.values()) clearTimeout(timer);
    this.#moved.clear();
    for (const live of this.#sessions.values()) {
      live.writer.end();
      live.session.end('moved');
      live.session.media.free();
    }
    this.#sessions.clear();
  }

  get(sessionId: string): IngestSession | undefined {
    return (this.#sessions.get(sessionId) ?? this.#lingering.get(sessionId)?.live)?.session;
  }

  /** True for a session whose record says so. */
  hasEnded(sessionId: string): boolean {
    return this.#overIds.has(sessionId);
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
    for (const { live } of this.#lingering.values()) this.#ringBytes += live.session.media.bytes;
  }

  /** The session of a record, made if this ingest does not have it yet; `onLost` is told when a token counts no more. */
  open(
    record: session.SessionRecord,
    channel: session.Channel,
    onLost: (token: number) => void,
  ): LiveSession {
    const known = this.#sessions.get(record.sessionId);
    if (known !== undefined && !hasMoved(known, record)) return known;
    const { logger } = this.#dependencies;
    // It was elsewhere meanwhile and goes on behind what the record says; what the old one has not written is written first.
    known?.session.end('moved');
    known?.session.media.free();
    const writer =
      known?.writer ?? new RecordWriter({ store: this.#store, logger, channel: channel.name, onLost });
    const live = { session: new IngestSession(record, channel, { ...this.#dependencies, writer }), writer };
    this.#sessions.set(record.sessionId, live);
    return live;
  }

  #take(record: session.SessionRecord): void {
    const { sessionId } = record;
    const live = this.#sessions.get(sessionId);
    if (record.state === session.SessionState.ENDED) {
      this.#remember(sessionId);
      if (live !== undefined) this.#end(sessionId, live);
    } else if (live !== undefined && hasMoved(live, record)) this.#move(live.session);
  }

  #move(moved: IngestSession): void {
    if (moved.media.ended !== undefined) return;
    moved.end('moved');
    const free = (): void => {
      this.#moved.delete(moved);
      moved.media.free();
    };
    this.#moved.set(moved, setTimeout(free, LINGER_MS));
  }

  #remember(sessionId: string): void {
    this.#overIds.add(sessionId);
    for (const oldest of this.#overIds) {
      if (this.#overIds.size <= MAX_REMEMBERED) return;
      this.#overIds.delete(oldest);
    }
  }

  #end(sessionId: string, live: LiveSession): void {
    this.#sessions.delete(sessionId);
    live.writer.end();
    live.session.end('session-ended');
    const timer = setTimeout(() => this.#free(sessionId), LINGER_MS);
    this.#lingering.set(sessionId, { live, timer });
    this.#dependencies.logger.info({ sessionId }, 'Session ended');
  }

  #free(sessionId: string): void {
    const lingering = this.#lingering.get(sessionId);
    if (lingering === undefined) return;
    clearTimeout(lingering.timer);
    this.#lingering.delete(sessionId);
    lingering.live.session.media.free();
  }
}

/** The record has a period that this ingest did not open. */
function hasMoved({ session: live }: LiveSession, { periods }: session.SessionRecord): boolean {
  return (periods.at(-1)?.ordinal ?? -1) > live.media.newestOrdinal;
}
