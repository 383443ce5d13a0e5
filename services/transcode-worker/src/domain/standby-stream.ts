import type { sink } from '@millrace/contracts';
import type { SinkStream } from '@millrace/runtime';
import { comparePositions } from './part-grid.ts';

/** What a standby's stream tells, and its bound. */
export interface StandbyStreamOptions {
  /** What the leader had published when the standby began. */
  readonly reply: sink.HelloReply;
  /** Bytes of parts that are held; the oldest are dropped beyond, and what lacks them cannot go on from here. */
  readonly maxHeldBytes: number;
  /** Milliseconds of a clock that does not jump. */
  readonly nowMs: () => number;
  /** A row of the leader is not what the standby made of the same media. */
  readonly onDiverged: (row: sink.Row) => void;
}

interface HeldPart {
  readonly part: sink.Part;
  readonly heldAtMs: number;
}

interface StandbyRendition {
  /** Oldest first: what the leader has not published, and the segment before. */
  held: HeldPart[];
  /** Where the standby goes on. */
  next: sink.Position | undefined;
  /** First part that the leader has not published. */
  leader: sink.Position;
  /** Complete rows of the leader that are to be compared. */
  readonly rows: Map<number, sink.Row>;
}

/** Rows of a leader that is ahead of its standby. */
const MAX_ROWS_AHEAD = 16;
const START: sink.Position = { k: 0, part: 0 };

/**
 * Stands in for the packagers of a session while a worker stands by: takes every part, keeps what the leader has not published,
 * and hands it over when the standby takes over.
 *
 * The leader's rows say what it has published; whether both make the same of the same media shows in them too.
 */
export class StandbyStream implements SinkStream {
  readonly reply: sink.HelloReply;
  readonly #options: StandbyStreamOptions;
  readonly #renditions = new Map<string, StandbyRendition>();
  readonly #inits = new Map<string, sink.InitSegment>();
  #heldBytes = 0;
  #live: { readonly stream: SinkStream; readonly replayed: Promise<unknown> } | undefined;

  constructor(options: StandbyStreamOptions) {
    this.reply = options.reply;
    this.#options = options;
    for (const { rows } of options.reply.renditions) this.noteRows(rows);
  }

  /** How long the leader has owed the oldest part with media that is held here; 0 when it owes none. */
  get owedMs(): number {
    const nowMs = this.#options.nowMs();
    let owedMs = 0;
    for (const { held, leader } of this.#renditions.values()) {
      const owed = held.find(({ part }) => !part.isGap && comparePositions(positionOf(part), leader) >= 0);
      if (owed !== undefined) owedMs = Math.max(owedMs, nowMs - owed.heldAtMs);
    }
    return owedMs;
  }

  /** The leader has published these. */
  noteRows(rows: readonly sink.Row[]): void {
    for (const row of rows) {
      const rendition = this.#rendition(row.renditionId);
      const next = row.isComplete ? { k: row.k + 1, part: 0 } : { k: row.k, part: row.parts.length };
      if (comparePositions(rendition.leader, next) < 0) rendition.leader = next;
      if (row.isComplete && rendition.rows.size < MAX_ROWS_AHEAD) rendition.rows.set(row.k, row);
      this.#settle(rendition);
    }
  }

  async publishInit(init: sink.InitSegment): Promise<void> {
    this.#inits.set(`${init.period} ${init.renditionId}`, init);
    if (this.#live === undefined) return;
    await Promise.all([this.#live.stream.publishInit(init), this.#live.replayed]);
  }

  async publishPart(part: sink.Part): Promise<void> {
    const rendition = this.#rendition(part.renditionId);
    const position = positionOf(part);
    rendition.next = part.isLast ? { k: position.k + 1, part: 0 } : { ...position, part: position.part + 1 };
    if (this.#live === undefined) {
      rendition.held.push({ part, heldAtMs: this.#options.nowMs() });
      this.#heldBytes += part.data.byteLength;
      this.#settle(rendition);
      this.#bound();
    } else if (comparePositions(position, rendition.leader) >= 0) {
      // What was handed over when it went live may be refused as well.
      await Promise.all([this.#live.stream.publishPart(part), this.#live.replayed]);
    }
  }

  /**
   * Goes on where the leader stopped: from now on parts go to the packagers. Returns the first segment that is not complete there,
   * or `undefined` when what is held does not continue what they hold; then nothing was handed over.
   */
  goLive(stream: SinkStream): number | undefined {
    const { renditions, inits } = stream.reply;
    for (const init of inits) {
      const own = this.#inits.get(`${init.period} ${init.renditionId}`);
      if (own !== undefined && !own.data.equals(init.data)) return undefined;
    }
    const fixed = new Set(inits.map((init) => `${init.period} ${init.renditionId}`));
    const parts: sink.Part[] = [];
    for (const [id, rendition] of this.#renditions) {
      const published = renditions.find(({ renditionId }) => renditionId === id);
      const continued = continuation(rendition, published);
      if (continued === undefined) return undefined;
      parts.push(...continued);
    }
    for (const { renditionId, resume = START } of renditions) this.#rendition(renditionId).leader = resume;
    const newInits = [...this.#inits].filter(([key]) => !fixed.has(key)).map(([, init]) => init);
    const replayed = Promise.all([
      ...newInits.map((init) => stream.publishInit(init)),
      ...parts.map((part) => stream.publishPart(part)),
    ]);
    // Told with the next part.
    replayed.catch(() => undefined);
    this.#live = { stream, replayed };
    for (const rendition of this.#renditions.values()) rendition.held = [];
    this.#heldBytes = 0;
    return Math.min(...renditions.map(({ resume = START }) => resume.k));
  }

  close(): void {
    this.#live?.stream.close();
  }

  #rendition(id: string): StandbyRendition {
    const known = this.#renditions.get(id);
    if (known !== undefined) return known;
    const made: StandbyRendition = { held: [], next: undefined, leader: START, rows: new Map() };
    this.#renditions.set(id, made);
    return made;
  }

  /** Compares the segments that both have whole, and lets go of those before the one that the leader is at. */
  #settle(rendition: StandbyRendition): void {
    for (const [k, row] of rendition.rows) {
      if (rendition.next === undefined || rendition.next.k <= k) break;
      rendition.rows.delete(k);
      const own = rendition.held.filter(({ part }) => positionOf(part).k === k).map(({ part }) => part);
      if (own[0]?.position?.part === 0 && !isSameRow(row, own)) this.#options.onDiverged(row);
    }
    const oldestK = Math.min(rendition.leader.k - 1, ...rendition.rows.keys());
    const isKept = ({ part }: HeldPart): boolean => positionOf(part).k >= oldestK;
    while (rendition.held[0] !== undefined && !isKept(rendition.held[0])) this.#drop(rendition);
  }

  #bound(): void {
    while (this.#heldBytes > this.#options.maxHeldBytes) {
      const oldest = [...this.#renditions.values()]
        .filter(({ held }) => held.length > 0)
        .toSorted((a, b) => (a.held[0]?.heldAtMs ?? 0) - (b.held[0]?.heldAtMs ?? 0))[0];
      if (oldest === undefined) return;
      this.#drop(oldest);
    }
  }

  #drop(rendition: StandbyRendition): void {
    this.#heldBytes -= rendition.held.shift()?.part.data.byteLength ?? 0;
  }
}

/** What is to be published of a rendition; `undefined` when it does not begin where the packagers' rows end. */
function continuation(
  { held, next }: StandbyRendition,
  published: sink.RenditionResume | undefined,
): readonly sink.Part[] | undefined {
  const resume = published?.resume;
  const row = published?.rows.at(-1);
  if (resume === undefined || row === undefined || next === undefined) return undefined;
  const parts = held
    .map(({ part }) => part)
    .filter((part) => comparePositions(positionOf(part), resume) >= 0);
  const [first] = parts;
  // The leader is ahead: what it has is not published again.
  if (first === undefined) return comparePositions(next, resume) <= 0 ? [] : undefined;
  if (comparePositions(positionOf(first), resume) !== 0) return undefined;
  if (resume.part === 0) return first.msn === row.msn + (row.k === resume.k ? 0 : 1) ? parts : undefined;
  const continuesRow =
    first.msn === row.msn &&
    first.period === row.period &&
    first.baseMediaDecodeTime === row.baseMediaDecodeTime + row.durationTicks &&
    row.parts.every(({ isGap }) => !isGap);
  return continuesRow ? parts : undefined;
}

function isSameRow(row: sink.Row, parts: readonly sink.Part[]): boolean {
  const [first] = parts;
  return (
    first !== undefined &&
    row.msn === first.msn &&
    row.discontinuitySequence === first.discontinuitySequence &&
    row.period === first.period &&
    row.baseMediaDecodeTime === first.baseMediaDecodeTime &&
    row.parts.length === parts.length &&
    row.parts.every(
      ({ durationTicks, isIndependent, isGap }, index) =>
        durationTicks === parts[index]?.durationTicks &&
        isIndependent === parts[index].isIndependent &&
        isGap === parts[index].isGap,
    )
  );
}

function positionOf({ position = START }: sink.Part): sink.Position {
  return position;
}
