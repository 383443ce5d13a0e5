import { ParseError } from '../../parse-error.ts';
import { BitReader } from '../bit-reader.ts';
import { removeEmulationPrevention } from './emulation-prevention.ts';
import { NAL_TYPE, nalType } from './nal-unit.ts';
import { NO_VUI, parseVui } from './vui.ts';
import type { VideoUsability } from './vui.ts';

/** What an H.264 sequence parameter set (H.264 7.3.2.1.1 and Annex E) says outside of decoding. */
export interface SequenceParameterSet extends VideoUsability {
  /** seq_parameter_set_id. */
  readonly id: number;
  /** profile_idc. */
  readonly profile: number;
  /** constraint_set0_flag (most significant) to constraint_set5_flag and two reserved bits, as one byte. */
  readonly constraints: number;
  /** level_idc. */
  readonly level: number;
  /** 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chromaFormat: number;
  /** Bits per luma sample. */
  readonly bitDepth: number;
  /** Bits per chroma sample. */
  readonly chromaBitDepth: number;
  /** Width of a frame in pixels after cropping. */
  readonly width: number;
  /** Height of a frame in pixels after cropping. */
  readonly height: number;
  /** True when pictures may be fields, or frames of two fields (frame_mbs_only_flag is 0). */
  readonly isInterlaced: boolean;
}

/** profile_idc values whose SPS has chroma format and bit depths (H.264 7.3.2.1.1). */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
/** H.264 allows pictures of at most 139264 macroblocks (level 6.2), and sqrt(8 times that) in either direction. */
const MAX_MACROBLOCKS = 139_264;
const MAX_SIDE_MACROBLOCKS = 1055;

/**
 * Parses an SPS NAL unit, header byte and emulation prevention included.
 *
 * Every count is checked before it is followed. Throws `ParseError`.
 */
export function parseSequenceParameterSet(nal: Uint8Array): SequenceParameterSet {
  if (nalType(nal) !== NAL_TYPE.sps)
    throw new ParseError('invalid', 0, `NAL unit type ${nalType(nal)} is not an SPS`);
  const reader = new BitReader(removeEmulationPrevention(nal).subarray(1));
  const profile = reader.bits(8);
  const constraints = reader.bits(8);
  const level = reader.bits(8);
  const id = reader.ueAtMost(31, 'seq_parameter_set_id');
  const { chromaFormat, bitDepth, chromaBitDepth, separatePlanes } = parseChroma(reader, profile);
  skipPictureOrder(reader);
  reader.ueAtMost(16, 'max_num_ref_frames');
  reader.skip(1); // gaps_in_frame_num_value_allowed_flag
  const widthMacroblocks = reader.ueAtMost(MAX_SIDE_MACROBLOCKS, 'pic_width_in_mbs_minus1') + 1;
  const heightMapUnits = reader.ueAtMost(MAX_SIDE_MACROBLOCKS, 'pic_height_in_map_units_minus1') + 1;
  const frameMbsOnly = reader.flag();
  if (!frameMbsOnly) reader.skip(1); // mb_adaptive_frame_field_flag
  reader.skip(1); // direct_8x8_inference_flag
  const heightMacroblocks = heightMapUnits * (frameMbsOnly ? 1 : 2);
  if (widthMacroblocks * heightMacroblocks > MAX_MACROBLOCKS) {
    throw new ParseError(
      'invalid',
      reader.byteOffset,
      `${widthMacroblocks} x ${heightMacroblocks} macroblocks`,
    );
  }
  const chromaArrayType = separatePlanes ? 0 : chromaFormat;
  const cropUnitX = chromaArrayType === 1 || chromaArrayType === 2 ? 2 : 1;
  const cropUnitY = (chromaArrayType === 1 ? 2 : 1) * (frameMbsOnly ? 1 : 2);
  const crop = parseCropping(reader);
  const width = widthMacroblocks * 16 - crop.horizontal * cropUnitX;
  const height = heightMacroblocks * 16 - crop.vertical * cropUnitY;
  if (width <= 0 || height <= 0)
    throw new ParseError('invalid', reader.byteOffset, 'cropping leaves no picture');
  return {
    id,
    profile,
    constraints,
    level,
    chromaFormat,
    bitDepth,
    chromaBitDepth,
    width,
    height,
    isInterlaced: !frameMbsOnly,
    ...(reader.flag() ? parseVui(reader) : NO_VUI),
  };
}

function parseChroma(reader: BitReader, profile: number) {
  if (!HIGH_PROFILES.has(profile))
    return { chromaFormat: 1, bitDepth: 8, chromaBitDepth: 8, separatePlanes: false };
  const chromaFormat = reader.ueAtMost(3, 'chroma_format_idc');
  const separatePlanes = chromaFormat === 3 && reader.flag();
  const bitDepth = reader.ueAtMost(6, 'bit_depth_luma_minus8') + 8;
  const chromaBitDepth = reader.ueAtMost(6, 'bit_depth_chroma_minus8') + 8;
  reader.skip(1); // qpprime_y_zero_transform_bypass_flag
  if (reader.flag()) {
    const listCount = chromaFormat === 3 ? 12 : 8;
    for (let index = 0; index < listCount; index += 1) {
      if (reader.flag()) skipScalingList(reader, index < 6 ? 16 : 64);
    }
  }
  return { chromaFormat, bitDepth, chromaBitDepth, separatePlanes };
}

/** H.264 7.3.2.1.1.1. */
function skipScalingList(reader: BitReader, size: number): void {
  let last = 8;
  let next = 8;
  for (let index = 0; index < size && next !== 0; index += 1) {
    next = (last + reader.se() + 256) % 256;
    if (next !== 0) last = next;
  }
}

function skipPictureOrder(reader: BitReader): void {
  reader.ueAtMost(12, 'log2_max_frame_num_minus4');
  const type = reader.ueAtMost(2, 'pic_order_cnt_type');
  if (type === 0) {
    reader.ueAtMost(12, 'log2_max_pic_order_cnt_lsb_minus4');
  } else if (type === 1) {
    reader.skip(1); // delta_pic_order_always_zero_flag
    reader.se(); // offset_for_non_ref_pic
    reader.se(); // offset_for_top_to_bottom_field
    const count = reader.ueAtMost(255, 'num_ref_frames_in_pic_order_cnt_cycle');
    for (let index = 0; index < count; index += 1) reader.se();
  }
}

/** Sums of the left and right, and of the top and bottom offsets, in crop units. */
function parseCropping(reader: BitReader): { horizontal: number; vertical: number } {
  if (!reader.flag()) return { horizontal: 0, vertical: 0 };
  const horizontal = reader.ue() + reader.ue();
  const vertical = reader.ue() + reader.ue();
  return { horizontal, vertical };
}
