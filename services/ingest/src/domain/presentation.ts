import { session } from '@millrace/contracts';
import {
  audioCadence,
  encodedFrameRate,
  partTargetUs,
  raisePartDuration,
  rationalToNumber,
  targetDurationSeconds,
  VIDEO_TIMESCALE,
  videoCadence,
  windowSegmentCount,
} from '@millrace/media';
import { h264HighCodec, h264Level } from './h264-level.ts';
import { fitRung, rungsForSource } from './rung-frame.ts';
import { videoRangeOf } from './video-range.ts';
import type { Rational, SampleCadence } from '@millrace/media';

const AUDIO_ID = 'audio';
const ENCODED_AUDIO = { codec: 'mp4a.40.2', sampleRate: 48_000, channelCount: 2 } as const;
/** The rate of encoded rungs when the source's varies and the rung has no cap. */
const RATE_FOR_VARIABLE: Rational = { numerator: 30, denominator: 1 };
/** What the encoder may buffer, in seconds of the target rate; the worker passes it as `-bufsize`. */
const BUFFER_SECONDS = 1;
/** Peak over average where no encoder's buffer bounds it. */
const PASSTHROUGH_PEAK = 1.25;
/** AAC keeps its rate over a segment but for the bit reservoir. */
const AUDIO_PEAK = 1.1;
/** Rates that are declared for passed-through media of which nothing is known. */
const UNKNOWN_VIDEO_BPS = 6_000_000;
const UNKNOWN_AUDIO_BPS = 160_000;
/** moof and mdat of a part, without its samples; and the trun entry of a sample. */
const PART_OVERHEAD_BYTES = 120;
const SAMPLE_OVERHEAD_BYTES = 16;
/** From the arrival of a segment's last access unit to the segment's availability. */
const AVAILABILITY_MARGIN_MS = { lowLatency: 500, quality: 1500 } as const;

/** What is known when a session opens. */
export interface OpeningFacts {
  readonly channel: session.Channel;
  /** Tracks of the first period. */
  readonly tracks: readonly session.Track[];
  /** SEG in seconds. */
  readonly segmentDuration: Rational;
  /** utcOffset of the first segment, in microseconds. */
  readonly utcOffsetUs: number;
  /** What the first boundary after the first IDR has shown; unset where it was not reached, or nobody asks. */
  readonly source?: { readonly hasMetBoundary: boolean; readonly bitrateBps: number } | undefined;
  /** Rates that the metadata states. */
  readonly videoBps?: number | undefined;
  readonly audioBps?: number | undefined;
}

/**
 * What players read once: a pure function of the channel and of what the encoder sends when the session opens.
 *
 * Encoded rungs above the source's size are left out, but for the smallest; `source` is listed when its first boundary was met
 * or nothing else could be. Audio is AAC-LC 48 kHz stereo, passed through where `source` is the ladder's only rung. M-1, H-1,
 * H-8, L-1.
 */
export function planPresentation(facts: OpeningFacts): session.Presentation {
  const { channel, segmentDuration } = facts;
  const video = facts.tracks.find(({ kind }) => kind === session.TrackKind.VIDEO);
  const audio = facts.tracks.find(({ kind }) => kind === session.TrackKind.AUDIO);
  const sketches = [
    ...(video === undefined ? [] : videoSketches(facts, video)),
    ...(audio === undefined ? [] : [audioSketch(facts, audio)]),
  ];
  const cadences = sketches.map(({ cadence }) => cadence);
  const wantedPart = channel.partDurationSeconds ?? { numerator: 1, denominator: 1 };
  const partDuration = raisePartDuration(wantedPart, segmentDuration, cadences);
  const targetDuration = targetDurationSeconds(segmentDuration, cadences);
  const isQuality = channel.preset === session.Preset.QUALITY;
  const marginMs = isQuality ? AVAILABILITY_MARGIN_MS.quality : AVAILABILITY_MARGIN_MS.lowLatency;
  return {
    renditions: sketches.map((sketch) => toRendition(sketch, partDuration)),
    segmentDurationSeconds: segmentDuration,
    partDurationSeconds: partDuration,
    partTargetUs: partTargetUs(partDuration, cadences),
    targetDurationSeconds: targetDuration,
    windowSegments: windowSegmentCount(channel.windowSegments, {
      segmentSeconds: rationalToNumber(segmentDuration),
      targetDurationSeconds: targetDuration,
    }),
    availabilityStartMs: Math.round(facts.utcOffsetUs / 1000) + marginMs,
    preset: isQuality ? session.Preset.QUALITY : session.Preset.LOW_LATENCY,
    isVariableFrameRate: channel.isVariableFrameRate,
    redundancy: channel.redundancy,
  };
}

/** A rendition before its container is added to its rates. */
interface Sketch {
  readonly cadence: SampleCadence;
  readonly peakBps: number;
  readonly averageBps: number;
  readonly rendition: Omit<session.Rendition, 'bandwidthBps' | 'averageBandwidthBps'>;
}

function videoSketches(facts: OpeningFacts, track: session.Track): readonly Sketch[] {
  const { ladder } = facts.channel;
  const encoded = new Set(rungsForSource(ladder, track));
  return ladder
    .filter((rung) => encoded.has(rung) || (rung.isSource && isSourceListed(facts)))
    .map((rung) => (rung.isSource ? sourceSketch(facts, track, rung) : encodedSketch(facts, track, rung)));
}

function isSourceListed({ channel, source }: OpeningFacts): boolean {
  return (source?.hasMetBoundary ?? false) || isSourceOnly(channel);
}

function isSourceOnly(channel: session.Channel): boolean {
  return channel.ladder.every(({ isSource }) => isSource);
}

function encodedSketch(facts: OpeningFacts, track: session.Track, rung: session.Rung): Sketch {
  const { width, height } = fitRung(rung, track);
  const frameRate = facts.channel.isVariableFrameRate
    ? undefined
    : (encodedFrameRate(track.frameRate, rung.maxFrameRate) ?? RATE_FOR_VARIABLE);
  const level = h264Level(width, height, frameRate, rung.bitrateBps);
  return {
    cadence: videoCadence(frameRate),
    peakBps: rung.bitrateBps * (1 + BUFFER_SECONDS / rationalToNumber(facts.segmentDuration)),
    averageBps: rung.bitrateBps,
    rendition: {
      id: rung.name,
      kind: session.TrackKind.VIDEO,
      codec: h264HighCodec(level),
      width,
      height,
      frameRate,
      isPassthrough: false,
      timescale: VIDEO_TIMESCALE,
      sampleRate: 0,
      channelCount: 0,
      targetBps: rung.bitrateBps,
      // Samples are scaled to square ones, and keep their transfer.
      sampleAspectRatio: undefined,
      videoRange: videoRangeOf(track),
    },
  };
}

function sourceSketch(facts: OpeningFacts, track: session.Track, rung: session.Rung): Sketch {
  const averageBps = Math.max(facts.source?.bitrateBps ?? 0, facts.videoBps ?? 0) || UNKNOWN_VIDEO_BPS;
  return {
    cadence: videoCadence(track.frameRate),
    peakBps: averageBps * PASSTHROUGH_PEAK,
    averageBps,
    rendition: {
      id: rung.name,
      kind: session.TrackKind.VIDEO,
      codec: track.codec,
      width: track.width,
      height: track.height,
      frameRate: track.frameRate,
      isPassthrough: true,
      timescale: VIDEO_TIMESCALE,
      sampleRate: 0,
      channelCount: 0,
      targetBps: 0,
      sampleAspectRatio: track.sampleAspectRatio,
      videoRange: videoRangeOf(track),
    },
  };
}

function audioSketch(facts: OpeningFacts, track: session.Track): Sketch {
  const isPassthrough = isSourceOnly(facts.channel);
  const { codec, sampleRate, channelCount } = isPassthrough ? track : ENCODED_AUDIO;
  const averageBps = isPassthrough ? facts.audioBps || UNKNOWN_AUDIO_BPS : facts.channel.audioBitrateBps;
  return {
    cadence: audioCadence(sampleRate),
    peakBps: averageBps * (isPassthrough ? PASSTHROUGH_PEAK : AUDIO_PEAK),
    averageBps,
    rendition: {
      id: AUDIO_ID,
      kind: session.TrackKind.AUDIO,
      codec,
      width: 0,
      height: 0,
      frameRate: undefined,
      isPassthrough,
      timescale: sampleRate,
      sampleRate,
      channelCount,
      targetBps: isPassthrough ? 0 : averageBps,
      sampleAspectRatio: undefined,
      videoRange: session.VideoRange.UNSPECIFIED,
    },
  };
}

function toRendition(sketch: Sketch, partDuration: Rational): session.Rendition {
  const { sampleDuration } = sketch.cadence;
  const samplesPerSecond = sampleDuration === undefined ? 60 : 1 / rationalToNumber(sampleDuration);
  const containerBps =
    8 * (samplesPerSecond * SAMPLE_OVERHEAD_BYTES + PART_OVERHEAD_BYTES / rationalToNumber(partDuration));
  return {
    ...sketch.rendition,
    bandwidthBps: Math.ceil(sketch.peakBps + containerBps),
    averageBandwidthBps: Math.ceil(sketch.averageBps + containerBps),
  };
}
