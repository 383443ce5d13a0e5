import { session } from '@millrace/contracts';
import type { relay, sink } from '@millrace/contracts';
import { encodedFrameRate, VIDEO_TIMESCALE } from '@millrace/media';
import type { EncodedAudio, EncodedVideo, TranscodePlan, X264Preset } from './ffmpeg-arguments.ts';
import { firstFrameAtOrAfter } from './first-frame.ts';
import type { PartGrid } from './part-grid.ts';
import type { ColorTags } from './video-filters.ts';

const AAC_FRAME_SAMPLES = 1024;
/** The encoder's own priming frame, and two whole frames before the join: a fresh MDCT needs its overlap. */
const AUDIO_LEAD_FRAMES = 2;
/** What is read before a resume point, so that the audio that leads up to it is there. */
const RESUME_LEAD_TICKS = 45_000;
/** How far decode order may run ahead of a picture that is still to come, in 90 kHz ticks. */
const MAX_REORDER_TICKS = 45_000;

/** How one rendition is made during one attempt. */
export interface Lane {
  readonly rendition: session.Rendition;
  /** The first part it makes. */
  readonly first: sink.Position;
  /** Decode time of its first frame in 90 kHz ticks; unset where only the media can tell. */
  readonly firstTicks: number | undefined;
}

/** What one attempt at a period makes, and how. */
export interface AttemptPlan {
  /** Renditions that ffmpeg makes, in the order of its outputs. */
  readonly encoded: readonly Lane[];
  /** Renditions whose access units are the encoder's own. */
  readonly passedThrough: readonly Lane[];
  /** Unset when nothing is encoded. */
  readonly transcode: TranscodePlan | undefined;
}

/** What an attempt is planned from. */
export interface AttemptPlanInput {
  readonly presentation: session.Presentation;
  readonly period: session.Period;
  readonly grid: PartGrid;
  /** First part to make of each rendition; a rendition that is not in it is left out. */
  readonly positions: ReadonlyMap<string, sink.Position>;
  readonly encoderThreads: number;
  readonly x264Preset: X264Preset;
  readonly color: ColorTags;
  /** Access units read so far: with a variable rate, they tell when the first picture is. */
  readonly fragments: readonly relay.Fragment[];
}

/** Where the subscription to ingest has to begin for these positions; `undefined`: at the period's start. */
export function subscriptionStart(
  positions: ReadonlyMap<string, sink.Position>,
  firstK: number,
  grid: PartGrid,
): number | undefined {
  let earliest: number | undefined;
  for (const position of positions.values()) {
    if (position.k === firstK && position.part === 0) return undefined;
    const ticks = grid.startTicksOf(position, VIDEO_TIMESCALE) - RESUME_LEAD_TICKS;
    earliest = Math.min(earliest ?? ticks, ticks);
  }
  return earliest;
}

/** Plans an attempt; `undefined` while the first picture is not known yet, which only happens with a variable rate. */
export function planAttempt(input: AttemptPlanInput): AttemptPlan | undefined {
  const { period, positions, grid } = input;
  const videoTrack = trackOf(period, session.TrackKind.VIDEO);
  const audioTrack = trackOf(period, session.TrackKind.AUDIO);
  const encodedVideo: EncodedVideo[] = [];
  const encoded: Lane[] = [];
  const passedThrough: Lane[] = [];
  let encodedAudio: EncodedAudio | undefined;
  for (const rendition of input.presentation.renditions) {
    const first = positions.get(rendition.id);
    const track = rendition.kind === session.TrackKind.VIDEO ? videoTrack : audioTrack;
    if (first === undefined || track === undefined) continue;
    if (rendition.isPassthrough) {
      passedThrough.push({ rendition, first, firstTicks: undefined });
    } else if (rendition.kind === session.TrackKind.AUDIO) {
      encodedAudio = { rendition, firstSample: firstAudioSample(first, grid, rendition.timescale) };
      encoded.push({ rendition, first, firstTicks: undefined });
    } else {
      const trimTicks = grid.firstTickOf(first, VIDEO_TIMESCALE);
      const frameRate = input.presentation.isVariableFrameRate
        ? undefined
        : encodedFrameRate(track.frameRate, rendition.frameRate);
      const firstTicks = firstFrameTicks(input, trimTicks, frameRate);
      if (firstTicks === undefined) return undefined;
      encodedVideo.push({ rendition, frameRate, trimTicks, firstTicks });
      encoded.push({ rendition, first, firstTicks });
    }
  }
  // The outputs of ffmpeg are video first, whatever the order of the renditions.
  encoded.sort((a, b) => a.rendition.kind - b.rendition.kind);
  const transcode: TranscodePlan | undefined =
    encoded.length === 0
      ? undefined
      : {
          preset: input.presentation.preset,
          segmentDuration: input.presentation.segmentDurationSeconds ?? { numerator: 2, denominator: 1 },
          periodStartTicks: period.startTicks,
          videoTrack: encodedVideo.length === 0 ? undefined : videoTrack,
          color: input.color,
          video: encodedVideo,
          audio: encodedAudio,
          encoderThreads: input.encoderThreads,
          x264Preset: input.x264Preset,
        };
  return { encoded, passedThrough, transcode };
}

/** The track of a kind that a period has. */
export function trackOf(period: session.Period, kind: session.TrackKind): session.Track | undefined {
  return period.tracks.find((track) => track.kind === kind);
}

/** First sample that the audio encoder gets: on the absolute grid of 1024 samples, ahead of the first part. */
function firstAudioSample(first: sink.Position, grid: PartGrid, timescale: number): number {
  const boundary = grid.firstTickOf(first, timescale);
  return Math.floor(boundary / AAC_FRAME_SAMPLES - AUDIO_LEAD_FRAMES) * AAC_FRAME_SAMPLES;
}

function firstFrameTicks(
  input: AttemptPlanInput,
  trimTicks: number,
  frameRate: session.Rational | undefined,
): number | undefined {
  const { period } = input;
  if (trimTicks <= period.startTicks) return period.startTicks;
  if (frameRate !== undefined) return firstFrameAtOrAfter(trimTicks, period.startTicks, frameRate);
  return firstPictureTicks(input.fragments, trackOf(period, session.TrackKind.VIDEO)?.trackId, trimTicks);
}

function firstPictureTicks(
  fragments: readonly relay.Fragment[],
  trackId: number | undefined,
  trimTicks: number,
): number | undefined {
  let earliest: number | undefined;
  for (const fragment of fragments) {
    if (fragment.trackId !== trackId) continue;
    const pts = fragment.dts + fragment.compositionOffset;
    if (pts >= trimTicks) earliest = Math.min(earliest ?? pts, pts);
    if (earliest !== undefined && fragment.dts >= earliest + MAX_REORDER_TICKS) return earliest;
  }
  return undefined;
}
