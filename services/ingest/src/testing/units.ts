import { session } from '@millrace/contracts';
import type { TimelineUnit } from '@millrace/media';

/** Start of the period that `periodOf` makes, in 90 kHz ticks: today, so that sums are as large as in life. */
export const START_TICKS = 1_795_000_000 * 90_000;

/** A period with video, or audio, or both. */
export function periodOf(kinds: readonly ('video' | 'audio')[], ordinal = 0): session.Period {
  const common = { codec: '', decoderConfig: Buffer.alloc(0), frameRate: undefined, isInterlaced: false };
  const tracks: session.Track[] = kinds.map((kind) => {
    const isVideo = kind === 'video';
    return {
      ...common,
      trackId: isVideo ? 1 : 2,
      kind: isVideo ? session.TrackKind.VIDEO : session.TrackKind.AUDIO,
      timescale: isVideo ? 90_000 : 48_000,
      width: isVideo ? 640 : 0,
      height: isVideo ? 360 : 0,
      sampleRate: isVideo ? 0 : 48_000,
      channelCount: isVideo ? 0 : 2,
      sampleAspectRatio: undefined,
    };
  });
  return { ordinal, firstK: 897_500_000, startTicks: START_TICKS, tracks, reason: 'first' };
}

/** Picture `index` at 25 fps, an IDR every `gop` pictures. */
export function videoUnit(index: number, gop = 25, bytes = 100): TimelineUnit {
  return {
    type: 'unit',
    kind: 'video',
    trackId: 1,
    dts: START_TICKS + index * 3600,
    compositionOffset: -3600,
    duration: 3600,
    isRandomAccess: index % gop === 0,
    isFiller: false,
    data: Buffer.alloc(bytes, index),
    arrivalMs: 0,
  };
}

/** Audio frame `index` at 48 kHz. */
export function audioUnit(index: number): TimelineUnit {
  return {
    type: 'unit',
    kind: 'audio',
    trackId: 2,
    dts: (START_TICKS / 90_000) * 48_000 + index * 1024,
    compositionOffset: 0,
    duration: 1024,
    isRandomAccess: true,
    isFiller: index % 7 === 0,
    data: Buffer.alloc(10, index),
    arrivalMs: 0,
  };
}
