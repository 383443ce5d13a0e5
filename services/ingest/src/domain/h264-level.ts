import { rationalToNumber } from '@millrace/media';
import type { Rational } from '@millrace/media';

/** Limits of a level: ITU-T H.264 table A-1. */
interface LevelLimits {
  /** level_idc: ten times the level. */
  readonly level: number;
  /** Macroblocks per second. */
  readonly maxMbps: number;
  /** Macroblocks per frame. */
  readonly maxFs: number;
  /** Rate and buffer in kbit, before the factor of the profile. */
  readonly maxBr: number;
  readonly maxCpb: number;
}

const LEVELS: readonly LevelLimits[] = [
  { level: 10, maxMbps: 1485, maxFs: 99, maxBr: 64, maxCpb: 175 },
  { level: 11, maxMbps: 3000, maxFs: 396, maxBr: 192, maxCpb: 500 },
  { level: 12, maxMbps: 6000, maxFs: 396, maxBr: 384, maxCpb: 1000 },
  { level: 13, maxMbps: 11_880, maxFs: 396, maxBr: 768, maxCpb: 2000 },
  { level: 20, maxMbps: 11_880, maxFs: 396, maxBr: 2000, maxCpb: 2000 },
  { level: 21, maxMbps: 19_800, maxFs: 792, maxBr: 4000, maxCpb: 4000 },
  { level: 22, maxMbps: 20_250, maxFs: 1620, maxBr: 4000, maxCpb: 4000 },
  { level: 30, maxMbps: 40_500, maxFs: 1620, maxBr: 10_000, maxCpb: 10_000 },
  { level: 31, maxMbps: 108_000, maxFs: 3600, maxBr: 14_000, maxCpb: 14_000 },
  { level: 32, maxMbps: 216_000, maxFs: 5120, maxBr: 20_000, maxCpb: 20_000 },
  { level: 40, maxMbps: 245_760, maxFs: 8192, maxBr: 20_000, maxCpb: 25_000 },
  { level: 41, maxMbps: 245_760, maxFs: 8192, maxBr: 50_000, maxCpb: 62_500 },
  { level: 42, maxMbps: 522_240, maxFs: 8704, maxBr: 50_000, maxCpb: 62_500 },
  { level: 50, maxMbps: 589_824, maxFs: 22_080, maxBr: 135_000, maxCpb: 135_000 },
  { level: 51, maxMbps: 983_040, maxFs: 36_864, maxBr: 240_000, maxCpb: 240_000 },
  { level: 52, maxMbps: 2_073_600, maxFs: 36_864, maxBr: 240_000, maxCpb: 240_000 },
  { level: 60, maxMbps: 4_177_920, maxFs: 139_264, maxBr: 240_000, maxCpb: 240_000 },
  { level: 61, maxMbps: 8_355_840, maxFs: 139_264, maxBr: 480_000, maxCpb: 480_000 },
  { level: 62, maxMbps: 16_711_680, maxFs: 139_264, maxBr: 800_000, maxCpb: 800_000 },
];
const HIGHEST_LEVEL = 62;

/** cpbBrVclFactor of the High profile (table A-2). */
const HIGH_FACTOR = 1250;
const MACROBLOCK = 16;
/** What a level is chosen for when the frame rate varies. */
const VARIABLE_RATE: Rational = { numerator: 60, denominator: 1 };

/**
 * The lowest level_idc that an H.264 High rendition fits: 31 is level 3.1, written `-level 3.1` for x264.
 *
 * `bitrateBps` is the encoder's maximum rate, and its buffer holds one second of it. Beyond every level it is the highest.
 */
export function h264Level(
  width: number,
  height: number,
  frameRate: Rational | undefined,
  bitrateBps: number,
): number {
  const columns = Math.ceil(width / MACROBLOCK);
  const rows = Math.ceil(height / MACROBLOCK);
  const perSecond = columns * rows * rationalToNumber(frameRate ?? VARIABLE_RATE);
  const fitting = LEVELS.find(
    ({ maxMbps, maxFs, maxBr, maxCpb }) =>
      perSecond <= maxMbps &&
      columns * rows <= maxFs &&
      Math.max(columns, rows) ** 2 <= 8 * maxFs &&
      bitrateBps <= Math.min(maxBr, maxCpb) * HIGH_FACTOR,
  );
  return fitting?.level ?? HIGHEST_LEVEL;
}

/** The codec string of an H.264 High rendition, exactly as x264 writes profile, constraints and level: `avc1.64001f`. */
export function h264HighCodec(level: number): string {
  return `avc1.6400${level.toString(16).padStart(2, '0')}`;
}
