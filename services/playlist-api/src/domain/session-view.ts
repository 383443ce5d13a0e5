import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import { endedStaySeconds } from '@millrace/media';

/** Rows of a rendition that are kept while other renditions do not have theirs. */
const MAX_UNLISTED_ROWS = 64;

/**
 * Consecutive segment numbers of one session period in which the same renditions have media: one DASH Period.
 *
 * The row of `firstK` may have left the window long ago; Period@id and Period@start follow from it (T-2).
 */
export interface Span {
  readonly period: number;
  readonly firstK: number;
  readonly lastK: number;
  /** Ids of the renditions with media, in the presentation's order. */
  readonly renditionIds: readonly string[];
}

/** A session as it is seen from outside: its record, and the rows of its window. A snapshot; never changes. */
export interface SessionView {
  readonly record: session.SessionRecord;
  /** Complete rows by rendition id, oldest first, for the newest `windowSegments` numbers that all renditions have. */
  readonly rows: ReadonlyMap<string, readonly sink.Row[]>;
  /** What the rows mean for DASH, oldest first; those without media are kept, so that they separate their neighbours. */
  readonly spans: readonly Span[];
}

/** A session of which no row is known yet. */
export function emptyView(record: session.SessionRecord): SessionView {
  return { record, rows: new Map(), spans: [] };
}

/** Replaces the record; an older one, which a mirror may see after a newer one, changes nothing. */
export function withRecord(view: SessionView, record: session.SessionRecord): SessionView {
  return record.revision < view.record.revision ? view : advance({ ...view, record });
}

/** Adds complete rows; rows that are known, and rows of renditions that the session does not have, change nothing. */
export function withRows(view: SessionView, added: readonly sink.Row[]): SessionView {
  const rows = new Map(view.rows);
  for (const row of added) {
    const known = rows.get(row.renditionId) ?? [];
    const last = known.at(-1);
    if (!row.isComplete || (last !== undefined && row.k <= last.k)) continue;
    rows.set(row.renditionId, [...known, row]);
  }
  return advance({ ...view, rows });
}

/** Newest segment number that every rendition has; what a revision of an MPD is made of. */
export function lastListedK(view: SessionView): number | undefined {
  return view.spans.at(-1)?.lastK;
}

/** True once a player can start: every rendition lists the same segment, and there are media. It stays true. */
export function isPlayable(view: SessionView): boolean {
  return listedSpans(view).length > 0;
}

/** The spans that are Periods, oldest first. Once a span is one, it stays one. */
export function listedSpans({ spans, record }: Pick<SessionView, 'spans' | 'record'>): readonly Span[] {
  return spans.filter((span, index) => isListed(span, spans[index + 1], record.periods));
}

/**
 * True when a span is a Period; one without media only separates its neighbours.
 *
 * An encoder that goes away just after a grid point leaves a segment in which one track has a frame and the other none.
 * Nobody misses it, and a Period of it leaves dash.js waiting at its start for ever: renditions that come or go make a Period
 * only when another segment of theirs follows.
 */
function isListed(span: Span, next: Span | undefined, periods: readonly session.Period[]): boolean {
  const opened = periods.find(({ ordinal }) => ordinal === span.period)?.firstK ?? span.firstK;
  const isFollowed = span.lastK > span.firstK || next?.period === span.period;
  return span.renditionIds.length > 0 && (span.firstK === opened || isFollowed);
}

/** How long an ended session stays, in ms: never longer than the packager keeps its media. */
export function retentionMs(presentation: session.Presentation): number {
  const { numerator, denominator } = presentation.segmentDurationSeconds ?? { numerator: 0, denominator: 1 };
  const segmentSeconds = numerator / denominator;
  return endedStaySeconds(segmentSeconds, presentation.windowSegments * segmentSeconds) * 1000;
}

/** Lists the segment numbers that have become common to all renditions, then lets the window slide by row count. */
function advance(view: SessionView): SessionView {
  const { presentation } = view.record;
  if (presentation === undefined || presentation.renditions.length === 0) return bounded(view);
  const ids = presentation.renditions.map(({ id }) => id);
  const byK = ids.map((id) => new Map((view.rows.get(id) ?? []).map((row) => [row.k, row])));
  const listed = lastListedK(view) ?? -1;
  const spans = [...view.spans];
  for (const k of [...(byK[0]?.keys() ?? [])]) {
    const rows = byK.map((rendition) => rendition.get(k)).filter((row) => row !== undefined);
    if (k > listed && rows.length === ids.length) append(spans, k, rows);
  }
  const common = [...(byK[0]?.keys() ?? [])].filter((k) => byK.every((rendition) => rendition.has(k)));
  const firstK = common.at(-presentation.windowSegments) ?? common[0];
  if (firstK === undefined) return bounded({ ...view, spans });
  // While the whole window is a gap, the last segment with media stays: an MPD cannot be empty, and players that find
  // it so give up.
  const lastMedia = listedSpans({ ...view, spans }).at(-1);
  const isKept = (row: sink.Row): boolean => row.k >= firstK || row.k === lastMedia?.lastK;
  // A rendition may be ahead of the others, but not without bound.
  const maxRows = presentation.windowSegments + MAX_UNLISTED_ROWS;
  return {
    ...view,
    rows: new Map(ids.map((id) => [id, (view.rows.get(id) ?? []).filter(isKept).slice(-maxRows)])),
    spans: spans.filter((span) => span.lastK >= firstK || span === lastMedia),
  };
}

/** A span begins where the youngest of the renditions' runs does: what was before the window is in the rows. */
function append(spans: Span[], k: number, rows: readonly sink.Row[]): void {
  const renditionIds = rows.filter((row) => !row.isGap).map((row) => row.renditionId);
  const period = rows[0]?.period ?? 0;
  const firstK = Math.max(...rows.map((row) => row.runFirstK));
  const last = spans.at(-1);
  if (last?.period === period && last.firstK === firstK) spans[spans.length - 1] = { ...last, lastK: k };
  else spans.push({ period, firstK, lastK: k, renditionIds });
}

/** Rows that cannot be judged yet must not pile up. */
function bounded(view: SessionView): SessionView {
  return { ...view, rows: new Map([...view.rows].map(([id, rows]) => [id, rows.slice(-MAX_UNLISTED_ROWS)])) };
}

/** True while a publication delivers or may come back. */
export function isRunning(record: session.SessionRecord): boolean {
  return record.state !== session.SessionState.ENDED;
}
