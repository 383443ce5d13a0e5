import { session } from '@millrace/contracts';
import { QUALITY_B_FRAMES, QUALITY_LOOKAHEAD_FRAMES } from './ffmpeg-arguments.ts';
import type { TranscodePlan } from './ffmpeg-arguments.ts';

/** Reordering in the decoder, and scheduling. */
const BASE_SECONDS = 0.5;
/** The `fps` filter and the muxer hold a frame each, and a deinterlacer may hold one more. */
const HELD_FRAMES = 3;
/** With a variable rate a frame may last as long as ingest waits before it fills. */
const VARIABLE_RATE_SECONDS = 2;

/** Seconds of media that a run may hold inside without being late. */
export function encoderLatencySeconds(plan: TranscodePlan): number {
  const lookahead =
    plan.preset === session.Preset.QUALITY
      ? QUALITY_LOOKAHEAD_FRAMES + QUALITY_B_FRAMES + plan.encoderThreads
      : 0;
  let seconds = 0;
  for (const { frameRate } of plan.video) {
    const frames = lookahead + HELD_FRAMES;
    const own =
      frameRate === undefined
        ? VARIABLE_RATE_SECONDS + frames / 30
        : (frames * frameRate.denominator) / frameRate.numerator;
    seconds = Math.max(seconds, own);
  }
  return BASE_SECONDS + seconds;
}
