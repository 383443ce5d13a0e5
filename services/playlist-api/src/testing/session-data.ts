import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';

/** A presentation of two rungs and audio, SEG 2 s, window 6. */
export function presentationOf(change: Partial<session.Presentation> = {}): session.Presentation {
  return {
    renditions: [
      videoRendition('720p', 1280, 720, 2_960_000),
      videoRendition('360p', 640, 360, 760_000),
      {
        id: 'audio',
        kind: session.TrackKind.AUDIO,
        codec: 'mp4a.40.2',
        width: 0,
        height: 0,
        frameRate: undefined,
        bandwidthBps: 140_000,
        averageBandwidthBps: 132_000,
        isPassthrough: false,
        timescale: 48_000,
        sampleRate: 48_000,
        channelCount: 2,
        targetBps: 128_000,
        sampleAspectRatio: undefined,
        videoRange: session.VideoRange.UNSPECIFIED,
      },
    ],
    segmentDurationSeconds: { numerator: 2, denominator: 1 },
    partDurationSeconds: { numerator: 1, denominator: 1 },
    partTargetUs: 1_024_000,
    targetDurationSeconds: 2,
    windowSegments: 6,
    availabilityStartMs: 250,
    preset: session.Preset.LOW_LATENCY,
    isVariableFrameRate: false,
    redundancy: session.Redundancy.NONE,
    ...change,
  };
}

function videoRendition(id: string, width: number, height: number, bandwidthBps: number): session.Rendition {
  return {
    id,
    kind: session.TrackKind.VIDEO,
    codec: 'avc1.64001f',
    width,
    height,
    frameRate: { numerator: 30, denominator: 1 },
    bandwidthBps,
    averageBandwidthBps: Math.round(bandwidthBps * 0.95),
    isPassthrough: false,
    timescale: 90_000,
    sampleRate: 0,
    channelCount: 0,
    targetBps: bandwidthBps,
    sampleAspectRatio: undefined,
    videoRange: session.VideoRange.SDR,
  };
}

/** The first segment number of test sessions: a moment in 2026. */
export const FIRST_K = 890_000_000;

/** A record of a live session with one period that began at `FIRST_K`. */
export function recordOf(change: Partial<session.SessionRecord> = {}): session.SessionRecord {
  return {
    sessionId: '01K0000000000000000000000A',
    channel: 'news',
    state: session.SessionState.LIVE,
    openedAtMs: FIRST_K * 2000,
    stateSinceMs: FIRST_K * 2000,
    graceSeconds: 30,
    presentation: presentationOf(),
    periods: [{ ordinal: 0, firstK: FIRST_K, startTicks: FIRST_K * 180_000, tracks: [], reason: 'first' }],
    currentK: FIRST_K,
    revision: 1,
    ...change,
  };
}

/** A complete row; audio on the exact 1024-sample grid, its first frame at or after the grid point. */
function rowOf(renditionId: string, k: number, change: Partial<sink.Row> = {}): sink.Row {
  const isAudio = renditionId === 'audio';
  const audioStart = (number: number): number => Math.ceil((number * 96_000) / 1024) * 1024;
  return {
    renditionId,
    k,
    msn: k,
    discontinuitySequence: 0,
    hasDiscontinuity: false,
    period: 0,
    baseMediaDecodeTime: isAudio ? audioStart(k) : k * 180_000,
    durationTicks: isAudio ? audioStart(k + 1) - audioStart(k) : 180_000,
    utcOffsetUs: 0,
    parts: [],
    isComplete: true,
    isGap: false,
    runFirstK: FIRST_K,
    ...change,
  };
}

/** Writes into rows, as their author does, where the run begins that each belongs to. */
export class RunAuthor {
  readonly #last = new Map<string, sink.Row>();

  /** The rows, which follow those of the call before. */
  author(rows: readonly sink.Row[]): sink.Row[] {
    return rows.map((row) => {
      const before = this.#last.get(row.renditionId);
      const isContinued = before?.period === row.period && before.isGap === row.isGap;
      const authored = { ...row, runFirstK: isContinued ? before.runFirstK : row.k };
      this.#last.set(row.renditionId, authored);
      return authored;
    });
  }
}

/**
 * Rows of every rendition for `count` segments, all of them of the run that began with the first period; those in `gaps` have no media at any of them. `lastSeconds` is what the media of
 * the last segment lasts where the encoder went away in it.
 */
export function rowsOf(
  firstK: number,
  count: number,
  options: {
    readonly period?: number;
    readonly gaps?: readonly string[];
    readonly lastSeconds?: { readonly video: number; readonly audio: number };
  } = {},
): sink.Row[] {
  const { period = 0, gaps = [], lastSeconds } = options;
  return Array.from({ length: count }, (_, index) =>
    ['720p', '360p', 'audio'].map((id) => {
      const row = rowOf(id, firstK + index, { period, isGap: gaps.includes(id) });
      if (lastSeconds === undefined || index < count - 1) return row;
      const seconds = id === 'audio' ? lastSeconds.audio : lastSeconds.video;
      return { ...row, durationTicks: Math.round(seconds * (id === 'audio' ? 48_000 : 90_000)) };
    }),
  ).flat();
}
