import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import { marshalFragment, marshalInitSegment, silentAacFrame } from '@millrace/media';

/** Frames a second of the video. */
const FRAME_RATE = 25;
const VIDEO_TIMESCALE = 90_000;
const AUDIO_TIMESCALE = 48_000;
const AAC_FRAME_SAMPLES = 1024;
/** H.264 High, 64x48, as x264 writes it. */
const AVC_CONFIG = Buffer.from(
  '0164000affe100186764000aacd9447b0110000003001000000303c0f122596001000568ef81372cfdf8f800',
  'hex',
);
/** AAC-LC, 48 kHz, stereo. */
const AUDIO_CONFIG = Buffer.from('1190', 'hex');
const IDR_NAL_HEADER = 0x65;
const SLICE_NAL_HEADER = 0x41;

/** What the tests' session fixes when it opens: a video rendition, another, and audio; SEG 2 s, PT 1 s. */
export function presentation(change: Partial<session.Presentation> = {}): session.Presentation {
  const video = {
    kind: session.TrackKind.VIDEO,
    codec: 'avc1.64000a',
    width: 64,
    height: 48,
    bandwidthBps: 2_000_000,
    averageBandwidthBps: 1_500_000,
    frameRate: undefined,
    isPassthrough: false,
    timescale: VIDEO_TIMESCALE,
    sampleRate: 0,
    channelCount: 0,
    targetBps: 1_500_000,
    sampleAspectRatio: undefined,
    videoRange: session.VideoRange.SDR,
  };
  return {
    renditions: [
      { ...video, id: '720p' },
      { ...video, id: '360p' },
      {
        ...video,
        id: 'audio',
        kind: session.TrackKind.AUDIO,
        codec: 'mp4a.40.2',
        timescale: AUDIO_TIMESCALE,
        sampleRate: AUDIO_TIMESCALE,
        channelCount: 2,
      },
    ],
    segmentDurationSeconds: { numerator: 2, denominator: 1 },
    partDurationSeconds: { numerator: 1, denominator: 1 },
    partTargetUs: 1_024_000,
    targetDurationSeconds: 2,
    windowSegments: 6,
    availabilityStartMs: 0,
    preset: session.Preset.LOW_LATENCY,
    isVariableFrameRate: false,
    redundancy: session.Redundancy.NONE,
    ...change,
  };
}

/** The init segment of a rendition's period; `salt` makes another one. */
export function initSegment(renditionId: string, period = 0, salt = 0): sink.InitSegment {
  const data =
    renditionId === 'audio'
      ? marshalInitSegment({
          kind: 'audio',
          trackId: 1,
          timescale: AUDIO_TIMESCALE,
          decoderConfig: AUDIO_CONFIG,
          sampleRate: AUDIO_TIMESCALE,
          channelCount: 2,
        })
      : marshalInitSegment({
          kind: 'video',
          trackId: 1,
          timescale: VIDEO_TIMESCALE,
          decoderConfig: AVC_CONFIG,
          width: 64 + salt,
          height: 48,
        });
  return { renditionId, period, data };
}

/** How a synthetic part differs from the ordinary one. */
export interface PartChange extends Partial<sink.Part> {
  /** Bytes of each video frame. */
  readonly frameBytes?: number;
}

/** A part of one second: video at 25 frames a second, or the AAC frames that begin in it. The row says MSN = K. */
export function part(renditionId: string, k: number, index: number, change: PartChange = {}): sink.Part {
  const { frameBytes = 100, ...fields } = change;
  const media = renditionId === 'audio' ? audioMedia(k, index) : videoMedia(k, index, frameBytes);
  return {
    renditionId,
    position: { k, part: index },
    period: 0,
    msn: k,
    discontinuitySequence: 0,
    hasDiscontinuity: false,
    runFirstK: 0,
    utcOffsetUs: 250_000,
    isIndependent: renditionId === 'audio' || index === 0,
    isGap: false,
    isLast: index === 1,
    ...media,
    ...fields,
  };
}

/** The same as a gap. */
export function gapPart(renditionId: string, k: number, index: number, change: PartChange = {}): sink.Part {
  return part(renditionId, k, index, { isGap: true, isIndependent: false, data: Buffer.alloc(0), ...change });
}

type Media = Pick<sink.Part, 'baseMediaDecodeTime' | 'durationTicks' | 'data'>;

function videoMedia(k: number, index: number, frameBytes: number): Media {
  const baseMediaDecodeTime = (k * 2 + index) * VIDEO_TIMESCALE;
  const duration = VIDEO_TIMESCALE / FRAME_RATE;
  const samples = Array.from({ length: FRAME_RATE }, (_, frame) => {
    const isSync = index === 0 && frame === 0;
    const data = Buffer.alloc(4 + frameBytes, k % 251);
    data.writeUInt32BE(frameBytes, 0);
    data[4] = isSync ? IDR_NAL_HEADER : SLICE_NAL_HEADER;
    return { duration, compositionOffset: 0, isSync, data };
  });
  const data = marshalFragment({ trackId: 1, baseMediaDecodeTime, samples }, k * 2 + index);
  return { baseMediaDecodeTime, durationTicks: VIDEO_TIMESCALE, data };
}

function audioMedia(k: number, index: number): Media {
  const first = Math.ceil(((k * 2 + index) * AUDIO_TIMESCALE) / AAC_FRAME_SAMPLES);
  const next = Math.ceil(((k * 2 + index + 1) * AUDIO_TIMESCALE) / AAC_FRAME_SAMPLES);
  const frame = silentAacFrame(2) ?? new Uint8Array(0);
  const samples = Array.from({ length: next - first }, () => ({
    duration: AAC_FRAME_SAMPLES,
    compositionOffset: 0,
    isSync: true,
    data: frame,
  }));
  const baseMediaDecodeTime = first * AAC_FRAME_SAMPLES;
  const data = marshalFragment({ trackId: 1, baseMediaDecodeTime, samples }, k * 2 + index);
  return { baseMediaDecodeTime, durationTicks: (next - first) * AAC_FRAME_SAMPLES, data };
}
