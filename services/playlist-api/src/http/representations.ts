import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import type { StoredChannel } from '../domain/channel.ts';
import type { Ladder } from '../domain/ladder.ts';
import { formatRational } from '../domain/rational.ts';
import { isPlayable } from '../domain/session-view.ts';
import type { SessionView } from '../domain/session-view.ts';
import type { StoredStreamKey } from '../domain/stream-key.ts';

/** The JSON of the REST API; `openapi.yaml` says what the fields mean. */

const STATES: Readonly<Record<session.SessionState, string>> = {
  [session.SessionState.UNSPECIFIED]: 'live',
  [session.SessionState.LIVE]: 'live',
  [session.SessionState.GAP]: 'gap',
  [session.SessionState.ENDED]: 'ended',
};

/** The state of a session in words. */
export function stateOf(record: session.SessionRecord): string {
  return STATES[record.state];
}

/** The paths of a channel for players. */
export function playbackOf(channel: string) {
  const base = `/play/${channel}`;
  return {
    hls: `${base}/index.m3u8`,
    hlsTs: `${base}/ts.m3u8`,
    dash: `${base}/manifest.mpd`,
    dashNumber: `${base}/manifest-number.mpd`,
  };
}

/** Shows a channel with its current session. */
export function channelJson(channel: StoredChannel, view: SessionView | undefined) {
  const { name, settings, origin, createdAtMs, updatedAtMs } = channel;
  return {
    name,
    settings,
    origin,
    createdAt: iso(createdAtMs),
    updatedAt: iso(updatedAtMs),
    playback: playbackOf(name),
    ...(view === undefined ? {} : { session: { id: view.record.sessionId, state: stateOf(view.record) } }),
  };
}

/** Shows a stream key; neither the key nor its hash. */
export function streamKeyJson({
  id,
  channel,
  role,
  label,
  origin,
  createdAtMs,
  expiresAtMs,
}: StoredStreamKey) {
  return {
    id,
    channel,
    role,
    label,
    origin,
    createdAt: iso(createdAtMs),
    ...(expiresAtMs === undefined ? {} : { expiresAt: iso(expiresAtMs) }),
  };
}

/** Shows a ladder. */
export function ladderJson({ name, rungs, updatedAtMs }: Ladder) {
  return { name, rungs, updatedAt: iso(updatedAtMs) };
}

/** Shows a session: its state, its periods, and what is declared of each rendition with its age. */
export function sessionJson(view: SessionView, nowMs: number) {
  const { record } = view;
  const { presentation } = record;
  const seg = presentation?.segmentDurationSeconds;
  const pt = presentation?.partDurationSeconds;
  return {
    id: record.sessionId,
    channel: record.channel,
    state: stateOf(record),
    openedAt: iso(record.openedAtMs),
    stateSince: iso(record.stateSinceMs),
    ...(record.state === session.SessionState.GAP
      ? { endsAt: iso(record.stateSinceMs + record.graceSeconds * 1000) }
      : {}),
    isPlayable: isPlayable(view),
    ...(record.encoder === undefined ? {} : { encoder: record.encoder }),
    ...(record.ingest === undefined ? {} : { ingest: record.ingest.id }),
    packagers: (record.placement?.packagers ?? []).map(({ id }) => id),
    ...(seg === undefined ? {} : { segmentDuration: formatRational(seg) }),
    ...(pt === undefined ? {} : { partDuration: formatRational(pt) }),
    ...(presentation === undefined
      ? {}
      : {
          targetDurationSeconds: presentation.targetDurationSeconds,
          windowSegments: presentation.windowSegments,
        }),
    periods: record.periods.map(periodJson),
    renditions: (presentation?.renditions ?? []).map((rendition) =>
      renditionJson(rendition, view.rows.get(rendition.id)?.at(-1), nowMs),
    ),
  };
}

function periodJson({ ordinal, reason, firstK, lastK, tracks }: session.Period) {
  return {
    ordinal,
    reason,
    firstSegment: firstK,
    ...(lastK === undefined ? {} : { lastSegment: lastK }),
    tracks: tracks.map((track) => ({ ...formatJson(track) })),
  };
}

function renditionJson(rendition: session.Rendition, last: sink.Row | undefined, nowMs: number) {
  return {
    id: rendition.id,
    ...formatJson(rendition),
    bandwidthBps: rendition.bandwidthBps,
    averageBandwidthBps: rendition.averageBandwidthBps,
    isPassthrough: rendition.isPassthrough,
    ...(last === undefined
      ? {}
      : { lastSegment: last.k, isGap: last.isGap, ageSeconds: ageMs(rendition, last, nowMs) / 1000 }),
  };
}

/** `age = now - (pts + utcOffset)`, taken at the end of the row. */
function ageMs({ timescale }: session.Rendition, row: sink.Row, nowMs: number): number {
  const endMs = ((row.baseMediaDecodeTime + row.durationTicks) * 1000) / timescale;
  return Math.round(nowMs - endMs - row.utcOffsetUs / 1000);
}

function formatJson(format: {
  readonly kind: session.TrackKind;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly frameRate: session.Rational | undefined;
  readonly sampleRate: number;
  readonly channelCount: number;
}) {
  const { kind, codec, width, height, frameRate, sampleRate, channelCount } = format;
  return kind === session.TrackKind.AUDIO
    ? { kind: 'audio', codec, sampleRate, channelCount }
    : {
        kind: 'video',
        codec,
        width,
        height,
        ...(frameRate === undefined ? {} : { frameRate: formatRational(frameRate) }),
      };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
