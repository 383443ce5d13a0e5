import type { TimelineMetadata } from '@millrace/media';

/** What an encoder says about itself in `onMetaData`; advisory. */
export interface EncoderMetadata extends TimelineMetadata {
  readonly videoBps: number | undefined;
  readonly audioBps: number | undefined;
}

const VIDEO_FIELDS = ['videocodecid', 'width', 'videodatarate', 'framerate', 'fps'];
const AUDIO_FIELDS = ['audiocodecid', 'audiosamplerate', 'audiodatarate', 'audiochannels'];
/** `videodatarate` and `audiodatarate` are in kbit/s. */
const BITS_PER_KILOBIT = 1000;
/** More than this is no rate of a stream that could be taken. */
const MAX_KBPS = 1_000_000;

/** Reads `onMetaData`; `undefined` when it says nothing of any track, so that nothing is concluded from what is missing. */
export function parseEncoderMetadata(values: ReadonlyMap<string, unknown>): EncoderMetadata | undefined {
  const hasVideo = VIDEO_FIELDS.some((name) => isStated(values.get(name)));
  const hasAudio = AUDIO_FIELDS.some((name) => isStated(values.get(name)));
  if (!hasVideo && !hasAudio) return undefined;
  const frameRate = values.get('framerate') ?? values.get('fps');
  return {
    hasVideo,
    hasAudio,
    frameRate: typeof frameRate === 'number' ? frameRate : undefined,
    videoBps: parseRate(values.get('videodatarate')),
    audioBps: parseRate(values.get('audiodatarate')),
  };
}

/** An encoder without a track leaves its fields out, or writes 0, false or an empty text. */
function isStated(value: unknown): boolean {
  return (typeof value === 'number' && value > 0) || (typeof value === 'string' && value !== '');
}

function parseRate(value: unknown): number | undefined {
  if (typeof value !== 'number' || !(value > 0 && value <= MAX_KBPS)) return undefined;
  return Math.round(value * BITS_PER_KILOBIT);
}
