import { session } from '@millrace/contracts';
import type { InstanceRegistration } from './ports/instance-directory.ts';

/** One unit is what x264 `veryfast` takes for 1280x720 at 30 frames a second, low latency. */
const UNIT_PIXELS_PER_SECOND = 1280 * 720 * 30;
/** Pictures a second of a rendition whose rate varies. */
const RATE_WHERE_IT_VARIES = 30;
/** Lookahead and B-frames over encoding without. */
const QUALITY_FACTOR = 1.35;
/** Decoding, over encoding the largest frame of the ladder: the source is about as large. */
const DECODE_FACTOR = 0.35;
/** What each rendition takes beside its pixels: a scaler, an encoder and a muxer that are called for every picture. */
const VIDEO_RENDITION_UNITS = 0.1;
/** Encoding AAC. */
const AUDIO_UNITS = 0.1;
/** What a session takes however little there is to encode. */
const SESSION_UNITS = 0.15;

/**
 * What a session costs its worker, in units: a function of pixels per second, codec and preset alone, so that everyone comes to the
 * same. `bench/session-units.ts` measures the factors. Never 0.
 */
export function unitsOf({ renditions, preset }: Pick<session.Presentation, 'renditions' | 'preset'>): number {
  const encoded = renditions.filter(({ isPassthrough }) => !isPassthrough);
  const videoUnits = encoded.filter(({ kind }) => kind === session.TrackKind.VIDEO).map(encodedVideoUnits);
  const audioCount = encoded.filter(({ kind }) => kind === session.TrackKind.AUDIO).length;
  const encoding = videoUnits.reduce((sum, units) => sum + units, 0);
  return (
    SESSION_UNITS +
    encoding * (preset === session.Preset.QUALITY ? QUALITY_FACTOR : 1) +
    Math.max(0, ...videoUnits) * DECODE_FACTOR +
    videoUnits.length * VIDEO_RENDITION_UNITS +
    audioCount * AUDIO_UNITS
  );
}

/** Whether an instance can take so many units more. One that has nothing takes anything: what nobody has room for still runs. */
export function hasRoom(
  { capacityUnits, loadUnits }: Pick<InstanceRegistration, 'capacityUnits' | 'loadUnits'>,
  units: number,
): boolean {
  return loadUnits === 0 || loadUnits + units <= capacityUnits;
}

function encodedVideoUnits({ width, height, frameRate }: session.Rendition): number {
  const picturesPerSecond =
    frameRate === undefined ? RATE_WHERE_IT_VARIES : frameRate.numerator / frameRate.denominator;
  return (width * height * picturesPerSecond) / UNIT_PIXELS_PER_SECOND;
}
