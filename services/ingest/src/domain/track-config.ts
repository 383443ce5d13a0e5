import {
  aacCodecString,
  avcCodecString,
  marshalAudioSpecificConfig,
  marshalAvcDecoderConfiguration,
  ParseError,
  parseAudioSpecificConfig,
  parseSequenceParameterSet,
  silentAacFrame,
} from '@millrace/media';
import type { AudioConfig, AvcDecoderConfiguration, Rational, VideoConfig } from '@millrace/media';
import { ServiceError } from '@millrace/runtime';

/** Sample rates that AAC has, and that fit the timeline's arithmetic. */
const SAMPLE_RATES = { least: 7350, most: 96_000 };
/** A VUI with larger terms is nonsense, and would not stay exact; its rate is measured instead. */
const MAX_FRAME_RATE_TERM = 200_000;

/** Audio that was announced but has not come is silence in this configuration: AAC-LC, 48 kHz, stereo. */
export const DEFAULT_AUDIO: AudioConfig = audioConfigOf(
  marshalAudioSpecificConfig({
    objectType: 2,
    sampleRate: 48_000,
    channelConfiguration: 2,
    channelCount: 2,
    samplesPerFrame: 1024,
  }),
);

/** The configuration of a video track. Throws `ParseError`. */
export function videoConfigOf(avc: AvcDecoderConfiguration): VideoConfig {
  const [first] = avc.sequenceParameterSets;
  if (first === undefined || avc.pictureParameterSets.length === 0) {
    throw new ParseError('invalid', 0, 'a configuration without SPS or PPS');
  }
  const sps = parseSequenceParameterSet(first);
  return {
    kind: 'video',
    codec: avcCodecString(sps),
    // Samples are relayed with lengths of 4 bytes, whatever the encoder uses.
    decoderConfig: marshalAvcDecoderConfiguration({ ...avc, lengthSize: 4 }),
    width: sps.width,
    height: sps.height,
    frameRate: plausibleRate(sps.frameRate),
    sampleAspectRatio: sps.sampleAspectRatio,
    isInterlaced: sps.isInterlaced,
  };
}

/** The configuration of an audio track. Throws `ParseError`, and `ServiceError` for a layout that is not taken. */
export function audioConfigOf(bytes: Uint8Array): AudioConfig {
  const config = parseAudioSpecificConfig(bytes);
  const { channelConfiguration, channelCount, sampleRate, samplesPerFrame } = config;
  const silentFrame = silentAacFrame(channelConfiguration);
  if (silentFrame === undefined) {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'INGEST_CHANNELS_UNSUPPORTED',
      `The audio has a layout of its own (channel configuration ${channelConfiguration}), which is not taken: set the encoder to mono, stereo or 5.1`,
    );
  }
  if (sampleRate < SAMPLE_RATES.least || sampleRate > SAMPLE_RATES.most) {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'INGEST_SAMPLE_RATE_UNSUPPORTED',
      `The audio has ${sampleRate} samples a second, which is not taken: set the encoder to 48000`,
    );
  }
  return {
    kind: 'audio',
    codec: aacCodecString(config),
    // The configuration outlives the message it came in.
    decoderConfig: Uint8Array.from(bytes),
    sampleRate,
    channelCount,
    samplesPerFrame,
    silentFrame,
  };
}

function plausibleRate(rate: Rational | undefined): Rational | undefined {
  if (rate === undefined) return undefined;
  const { numerator, denominator } = rate;
  const isUsable = [numerator, denominator].every((term) => term >= 1 && term <= MAX_FRAME_RATE_TERM);
  return isUsable ? { numerator, denominator } : undefined;
}
