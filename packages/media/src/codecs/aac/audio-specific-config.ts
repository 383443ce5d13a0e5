import { ParseError } from '../../parse-error.ts';
import { BitReader } from '../bit-reader.ts';
import { BitWriter } from '../bit-writer.ts';
import { parseProgramConfig } from './program-config.ts';

/** Audio object types (ISO/IEC 14496-3 table 1.17) that are told apart here. */
export const AUDIO_OBJECT_TYPE = { aacMain: 1, aacLc: 2, aacSsr: 3, aacLtp: 4, sbr: 5, ps: 29 } as const;

/** Samples per second by samplingFrequencyIndex (ISO/IEC 14496-3 table 1.18). */
export const AAC_SAMPLE_RATES: readonly number[] = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];

/** `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1) of an AAC stream. */
export interface AudioSpecificConfig {
  /** Audio object type of the core: 2 for AAC-LC, also under SBR and PS. */
  readonly objectType: number;
  /** Of the core, in Hz; SBR doubles it on output. */
  readonly sampleRate: number;
  /** 1 to 7, 11, 12 or 14; 0 when a program config element lists the channels. */
  readonly channelConfiguration: number;
  /** Output channels of the core; 0 when unknown. */
  readonly channelCount: number;
  readonly samplesPerFrame: 1024 | 960;
  /** Spectral band replication, when it is signalled. */
  readonly sbr?: SpectralBandReplication;
}

/** How SBR and PS are signalled. */
export interface SpectralBandReplication {
  /** Output rate in Hz. */
  readonly sampleRate: number;
  readonly hasPs: boolean;
  /** True: the first object type is 5 or 29; false: the backward-compatible extension at the end. */
  readonly isHierarchical: boolean;
}

/** A program config element with every element and the longest comment takes less. */
const MAX_BYTES = 512;
const EXPLICIT_RATE = 15;
const ESCAPE_OBJECT_TYPE = 31;
const SBR_SYNC = 0x2b7;
const PS_SYNC = 0x548;
/** Channels by channelConfiguration (table 1.19 and its amendments). */
const CHANNELS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8];

/**
 * Parses the config, of up to 512 bytes.
 *
 * Throws `ParseError`: `unsupported` for an object type that is not AAC Main, LC, SSR or LTP.
 */
export function parseAudioSpecificConfig(bytes: Uint8Array): AudioSpecificConfig {
  if (bytes.length > MAX_BYTES)
    throw new ParseError('too-large', 0, `a configuration of ${bytes.length} bytes`);
  const reader = new BitReader(bytes);
  const first = parseObjectType(reader);
  const firstRate = parseSampleRate(reader);
  const channelConfiguration = reader.bits(4);
  const isHierarchical = first === AUDIO_OBJECT_TYPE.sbr || first === AUDIO_OBJECT_TYPE.ps;
  let objectType = first;
  let sbr: SpectralBandReplication | undefined;
  if (isHierarchical) {
    sbr = { sampleRate: parseSampleRate(reader), hasPs: first === AUDIO_OBJECT_TYPE.ps, isHierarchical };
    objectType = parseObjectType(reader);
  }
  if (objectType < AUDIO_OBJECT_TYPE.aacMain || objectType > AUDIO_OBJECT_TYPE.aacLtp) {
    throw new ParseError('unsupported', 0, `audio object type ${objectType} is not AAC`);
  }
  const samplesPerFrame = reader.flag() ? 960 : 1024;
  if (reader.flag()) reader.skip(14); // coreCoderDelay
  reader.skip(1); // extensionFlag
  const channelCount =
    channelConfiguration === 0
      ? parseProgramConfig(reader).channelCount
      : (CHANNELS[channelConfiguration] ?? 0);
  if (channelCount === 0) throw new ParseError('invalid', 0, `channel configuration ${channelConfiguration}`);
  sbr ??= parseBackwardCompatibleSbr(reader);
  return {
    objectType,
    sampleRate: firstRate,
    channelConfiguration,
    channelCount,
    samplesPerFrame,
    ...(sbr === undefined ? {} : { sbr }),
  };
}

function parseObjectType(reader: BitReader): number {
  const type = reader.bits(5);
  return type === ESCAPE_OBJECT_TYPE ? 32 + reader.bits(6) : type;
}

function parseSampleRate(reader: BitReader): number {
  const index = reader.bits(4);
  const rate = index === EXPLICIT_RATE ? reader.bits(24) : AAC_SAMPLE_RATES[index];
  if (rate === undefined || rate === 0)
    throw new ParseError('invalid', reader.byteOffset, `sampling frequency index ${index}`);
  return rate;
}

/** The syncExtensionType at the end: decoders that know no SBR never look there. */
function parseBackwardCompatibleSbr(reader: BitReader): SpectralBandReplication | undefined {
  if (reader.remainingBits < 16 || reader.bits(11) !== SBR_SYNC) return undefined;
  if (parseObjectType(reader) !== AUDIO_OBJECT_TYPE.sbr || !reader.flag()) return undefined;
  const sampleRate = parseSampleRate(reader);
  const hasPs = reader.remainingBits >= 12 && reader.bits(11) === PS_SYNC && reader.flag();
  return { sampleRate, hasPs, isHierarchical: false };
}

/** Marshals a config. Throws `RangeError` for channel configuration 0: its channel list is not kept. */
export function marshalAudioSpecificConfig(config: AudioSpecificConfig): Uint8Array {
  if (config.channelConfiguration === 0) throw new RangeError('channel configuration 0 cannot be marshalled');
  const { sbr } = config;
  const writer = new BitWriter();
  if (sbr?.isHierarchical === true) {
    writeObjectType(writer, sbr.hasPs ? AUDIO_OBJECT_TYPE.ps : AUDIO_OBJECT_TYPE.sbr);
    writeSampleRate(writer, config.sampleRate);
    writer.bits(config.channelConfiguration, 4);
    writeSampleRate(writer, sbr.sampleRate);
    writeObjectType(writer, config.objectType);
  } else {
    writeObjectType(writer, config.objectType);
    writeSampleRate(writer, config.sampleRate);
    writer.bits(config.channelConfiguration, 4);
  }
  writer.flag(config.samplesPerFrame === 960).bits(0, 2); // dependsOnCoreCoder, extensionFlag
  if (sbr?.isHierarchical === false) {
    writer.bits(SBR_SYNC, 11);
    writeObjectType(writer, AUDIO_OBJECT_TYPE.sbr);
    writer.flag(true);
    writeSampleRate(writer, sbr.sampleRate);
    if (sbr.hasPs) writer.bits(PS_SYNC, 11).flag(true);
  }
  return writer.toBytes();
}

function writeObjectType(writer: BitWriter, type: number): void {
  if (type < ESCAPE_OBJECT_TYPE) writer.bits(type, 5);
  else writer.bits(ESCAPE_OBJECT_TYPE, 5).bits(type - 32, 6);
}

function writeSampleRate(writer: BitWriter, rate: number): void {
  const index = AAC_SAMPLE_RATES.indexOf(rate);
  if (index === -1) writer.bits(EXPLICIT_RATE, 4).bits(rate, 24);
  else writer.bits(index, 4);
}

/** RFC 6381 codec string: `mp4a.40.2`, `.5` with SBR, `.29` with PS. */
export function aacCodecString(config: Pick<AudioSpecificConfig, 'objectType' | 'sbr'>): string {
  const { objectType, sbr } = config;
  if (sbr === undefined) return `mp4a.40.${objectType}`;
  return `mp4a.40.${sbr.hasPs ? AUDIO_OBJECT_TYPE.ps : AUDIO_OBJECT_TYPE.sbr}`;
}
