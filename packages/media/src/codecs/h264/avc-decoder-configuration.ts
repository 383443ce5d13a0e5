import { ByteReader } from '../../byte-reader.ts';
import { ParseError } from '../../parse-error.ts';
import type { NalLengthSize } from './nal-unit.ts';
import { parseSequenceParameterSet } from './sequence-parameter-set.ts';

/** The bytes of an SPS that a codec string is made of. */
export interface AvcProfile {
  /** profile_idc, AVCProfileIndication. */
  readonly profile: number;
  /** The constraint flags, profile_compatibility. */
  readonly constraints: number;
  /** level_idc, AVCLevelIndication. */
  readonly level: number;
}

/** `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 5.3.3.1): the content of `avcC` and of an AVC sequence header. */
export interface AvcDecoderConfiguration extends AvcProfile {
  readonly lengthSize: NalLengthSize;
  /** At most 31. */
  readonly sequenceParameterSets: readonly Uint8Array[];
  /** At most 255. */
  readonly pictureParameterSets: readonly Uint8Array[];
  /** Fields that the High profiles add; many encoders leave them out. */
  readonly high?: AvcHighProfileFields;
}

/** What the record says of profiles 100, 110, 122, 144 and their kin. */
export interface AvcHighProfileFields {
  /** chroma_format_idc: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chromaFormat: number;
  readonly bitDepth: number;
  readonly chromaBitDepth: number;
  readonly spsExtensions: readonly Uint8Array[];
}

/** Parameter sets are some dozen bytes each; what is longer than this is no configuration. */
const MAX_BYTES = 64 * 1024;
const MAX_SPS = 31;
const MAX_PPS = 255;
const BASIC_PROFILES = new Set([66, 77, 88]);

/**
 * Parses the record; parameter sets are slices. Throws `ParseError`.
 *
 * The High-profile fields are optional in practice, and bytes behind them are ignored. More than 64 KiB are `too-large`.
 */
export function parseAvcDecoderConfiguration(bytes: Uint8Array): AvcDecoderConfiguration {
  if (bytes.length > MAX_BYTES)
    throw new ParseError('too-large', 0, `a configuration of ${bytes.length} bytes`);
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== 1) throw new ParseError('invalid', 0, `configurationVersion ${version}, not 1`);
  const profile = reader.u8();
  const constraints = reader.u8();
  const level = reader.u8();
  const lengthSize = (reader.u8() & 3) + 1;
  if (lengthSize === 3) throw new ParseError('invalid', 4, 'a NAL length size of 3 bytes');
  const sequenceParameterSets = parseParameterSets(reader, reader.u8() & 0x1f);
  const pictureParameterSets = parseParameterSets(reader, reader.u8());
  const base = {
    profile,
    constraints,
    level,
    lengthSize: lengthSize as NalLengthSize,
    sequenceParameterSets,
    pictureParameterSets,
  };
  if (BASIC_PROFILES.has(profile) || reader.remaining < 4) return base;
  const chromaFormat = reader.u8() & 3;
  const bitDepth = (reader.u8() & 7) + 8;
  const chromaBitDepth = (reader.u8() & 7) + 8;
  const spsExtensions = parseParameterSets(reader, reader.u8());
  return { ...base, high: { chromaFormat, bitDepth, chromaBitDepth, spsExtensions } };
}

function parseParameterSets(reader: ByteReader, count: number): Uint8Array[] {
  const sets: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) sets.push(reader.bytes(reader.u16()));
  return sets;
}

/** Marshals the record; reserved bits are ones. Throws `RangeError` when there are too many or too long parameter sets. */
export function marshalAvcDecoderConfiguration(config: AvcDecoderConfiguration): Buffer {
  if (config.sequenceParameterSets.length > MAX_SPS || config.pictureParameterSets.length > MAX_PPS)
    throw new RangeError('too many parameter sets for avcC');
  const { high } = config;
  return Buffer.concat([
    Uint8Array.of(1, config.profile, config.constraints, config.level, 0xfc | (config.lengthSize - 1)),
    Uint8Array.of(0xe0 | config.sequenceParameterSets.length),
    ...config.sequenceParameterSets.flatMap(withLength),
    Uint8Array.of(config.pictureParameterSets.length),
    ...config.pictureParameterSets.flatMap(withLength),
    ...(high === undefined
      ? []
      : [
          Uint8Array.of(
            0xfc | high.chromaFormat,
            0xf8 | (high.bitDepth - 8),
            0xf8 | (high.chromaBitDepth - 8),
          ),
          Uint8Array.of(high.spsExtensions.length),
          ...high.spsExtensions.flatMap(withLength),
        ]),
  ]);
}

function withLength(set: Uint8Array): [Uint8Array, Uint8Array] {
  if (set.length > 0xffff) throw new RangeError(`a parameter set of ${set.length} bytes`);
  return [Uint8Array.of(set.length >> 8, set.length & 0xff), set];
}

/**
 * The record for parameter sets that came in-band; four-byte NAL lengths unless said otherwise.
 *
 * Throws `ParseError` when there is no SPS or no PPS, there are too many, or the first SPS cannot be parsed.
 */
export function avcDecoderConfigurationOf(
  sequenceParameterSets: readonly Uint8Array[],
  pictureParameterSets: readonly Uint8Array[],
  lengthSize: NalLengthSize = 4,
): AvcDecoderConfiguration {
  const [first] = sequenceParameterSets;
  if (first === undefined || pictureParameterSets.length === 0) {
    throw new ParseError('invalid', 0, 'avcC needs an SPS and a PPS');
  }
  const bytes = [...sequenceParameterSets, ...pictureParameterSets].reduce(
    (sum, { length }) => sum + length,
    0,
  );
  if (sequenceParameterSets.length > MAX_SPS || pictureParameterSets.length > MAX_PPS || bytes > MAX_BYTES) {
    throw new ParseError('too-large', 0, `parameter sets of ${bytes} bytes, or too many, for avcC`);
  }
  const { profile, constraints, level, chromaFormat, bitDepth, chromaBitDepth } =
    parseSequenceParameterSet(first);
  const base = { profile, constraints, level, lengthSize, sequenceParameterSets, pictureParameterSets };
  if (BASIC_PROFILES.has(profile)) return base;
  return { ...base, high: { chromaFormat, bitDepth, chromaBitDepth, spsExtensions: [] } };
}

/** RFC 6381 codec string of a configuration or an SPS: `avc1.PPCCLL`, lower-case hexadecimal. */
export function avcCodecString({ profile, constraints, level }: AvcProfile): string {
  const hex = [profile, constraints, level].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `avc1.${hex}`;
}
