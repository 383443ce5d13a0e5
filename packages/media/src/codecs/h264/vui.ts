import { ParseError } from '../../parse-error.ts';
import type { BitReader } from '../bit-reader.ts';

/** Color description with the code points of ISO/IEC 23091-2 (H.273). */
export interface ColorDescription {
  readonly primaries: number;
  readonly transfer: number;
  readonly matrix: number;
  readonly isFullRange: boolean;
}

/** A ratio of two positive integers, without a common divisor where it is a frame rate. */
export interface Ratio {
  readonly numerator: number;
  readonly denominator: number;
}

/** Video usability information (H.264 Annex E), as far as it matters outside of decoding. */
export interface VideoUsability {
  /** Sample aspect ratio; absent when it is not said. */
  readonly sampleAspectRatio?: Ratio;
  /** Absent when it is not said; code points are 2 (unspecified) when only the range is. */
  readonly color?: ColorDescription;
  /** Frames per second; `isFixed` when a fixed rate is promised. Absent without timing information. */
  readonly frameRate?: Ratio & { readonly isFixed: boolean };
  /** True when picture timing SEI messages say how each picture is shown (pic_struct). */
  readonly hasPicStruct: boolean;
  /** Most pictures that precede another in decoding order and follow it in output order; absent when not said. */
  readonly maxReorderFrames?: number;
}

/** What holds for an SPS without VUI. */
export const NO_VUI: VideoUsability = { hasPicStruct: false };

/** Table E-1, index = aspect_ratio_idc. */
const ASPECT_RATIOS: readonly (readonly [number, number])[] = [
  [0, 0],
  [1, 1],
  [12, 11],
  [10, 11],
  [16, 11],
  [40, 33],
  [24, 11],
  [20, 11],
  [32, 11],
  [80, 33],
  [18, 11],
  [15, 11],
  [64, 33],
  [160, 99],
  [4, 3],
  [3, 2],
  [2, 1],
];
const EXTENDED_SAR = 255;
const UNSPECIFIED = 2;

/**
 * Parses vui_parameters (H.264 E.1.1).
 *
 * One that is cut or broken is no reason to refuse a picture: what was read until then counts.
 */
export function parseVui(reader: BitReader): VideoUsability {
  const vui: { -readonly [Key in keyof VideoUsability]: VideoUsability[Key] } = { ...NO_VUI };
  try {
    const sampleAspectRatio = reader.flag() ? parseSampleAspectRatio(reader) : undefined;
    if (sampleAspectRatio !== undefined) vui.sampleAspectRatio = sampleAspectRatio;
    if (reader.flag()) reader.skip(1); // overscan_appropriate_flag
    if (reader.flag()) vui.color = parseColor(reader);
    if (reader.flag()) {
      reader.ueAtMost(5, 'chroma_sample_loc_type_top_field');
      reader.ueAtMost(5, 'chroma_sample_loc_type_bottom_field');
    }
    const frameRate = reader.flag() ? parseTiming(reader) : undefined;
    if (frameRate !== undefined) vui.frameRate = frameRate;
    const hasNalHrd = reader.flag();
    if (hasNalHrd) skipHrd(reader);
    const hasVclHrd = reader.flag();
    if (hasVclHrd) skipHrd(reader);
    if (hasNalHrd || hasVclHrd) reader.skip(1); // low_delay_hrd_flag
    vui.hasPicStruct = reader.flag();
    if (reader.flag()) vui.maxReorderFrames = parseReorderDepth(reader);
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
  }
  return vui;
}

function parseSampleAspectRatio(reader: BitReader): Ratio | undefined {
  const idc = reader.bits(8);
  const [numerator, denominator] =
    idc === EXTENDED_SAR ? [reader.bits(16), reader.bits(16)] : (ASPECT_RATIOS[idc] ?? [0, 0]);
  // Reserved values and zeros mean: unspecified.
  return numerator === 0 || denominator === 0 ? undefined : { numerator, denominator };
}

function parseColor(reader: BitReader): ColorDescription {
  reader.skip(3); // video_format
  const isFullRange = reader.flag();
  if (!reader.flag())
    return { primaries: UNSPECIFIED, transfer: UNSPECIFIED, matrix: UNSPECIFIED, isFullRange };
  return { primaries: reader.bits(8), transfer: reader.bits(8), matrix: reader.bits(8), isFullRange };
}

function parseTiming(reader: BitReader): VideoUsability['frameRate'] {
  const unitsInTick = reader.bits(32);
  const timeScale = reader.bits(32);
  const isFixed = reader.flag();
  // Some encoders write zeros here, which says nothing.
  if (unitsInTick === 0 || timeScale === 0) return undefined;
  // A tick is a field: two of them make a frame.
  const divisor = greatestCommonDivisor(timeScale, unitsInTick * 2);
  return { numerator: timeScale / divisor, denominator: (unitsInTick * 2) / divisor, isFixed };
}

function greatestCommonDivisor(a: number, b: number): number {
  let [high, low] = [a, b];
  while (low !== 0) [high, low] = [low, high % low];
  return high;
}

/** hrd_parameters, E.1.2. */
function skipHrd(reader: BitReader): void {
  const count = reader.ueAtMost(31, 'cpb_cnt_minus1') + 1;
  reader.skip(8); // bit_rate_scale, cpb_size_scale
  for (let index = 0; index < count; index += 1) {
    reader.ue(); // bit_rate_value_minus1
    reader.ue(); // cpb_size_value_minus1
    reader.skip(1); // cbr_flag
  }
  reader.skip(20); // four lengths of 5 bits
}

function parseReorderDepth(reader: BitReader): number {
  reader.skip(1); // motion_vectors_over_pic_boundaries_flag
  reader.ueAtMost(16, 'max_bytes_per_pic_denom');
  reader.ueAtMost(16, 'max_bits_per_mb_denom');
  reader.ueAtMost(16, 'log2_max_mv_length_horizontal');
  reader.ueAtMost(16, 'log2_max_mv_length_vertical');
  return reader.ueAtMost(16, 'max_num_reorder_frames');
}
