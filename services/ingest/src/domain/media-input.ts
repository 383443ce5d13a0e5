import {
  aacCodecString,
  avcCodecString,
  inBandConfiguration,
  inspectAccessUnit,
  marshalAudioSpecificConfig,
  marshalAvcDecoderConfiguration,
  ParseError,
  parseAudioSpecificConfig,
  parseAudioTag,
  parseAvcDecoderConfiguration,
  parseSequenceParameterSet,
  parseVideoTag,
  silentAacFrame,
  stripDelimitersAndFiller,
} from '@millrace/media';
import type {
  AudioConfig,
  AvcDecoderConfiguration,
  TrackConfig,
  VideoConfig,
  WireUnit,
} from '@millrace/media';
import { ServiceError } from '@millrace/runtime';

/** Audio that was announced but has not come is silence in this configuration. */
export const DEFAULT_AUDIO: AudioConfig = audioConfigOf(
  marshalAudioSpecificConfig({
    objectType: 2,
    sampleRate: 48_000,
    channelConfiguration: 2,
    channelCount: 2,
    samplesPerFrame: 1024,
  }),
);

/** What an RTMP message comes to: a configuration, an access unit, or both (parameter sets inside an IDR). */
export interface MediaInputResult {
  readonly config?: TrackConfig;
  readonly unit?: WireUnit;
}

const NOTHING: MediaInputResult = {};

/**
 * Turns the FLV bodies of one publication into configurations and access units.
 *
 * In-band parameter sets count as a configuration. Throws `ServiceError`: `INGEST_CODEC_UNSUPPORTED` names the codec and what
 * to set, `INGEST_MEDIA_MALFORMED` says what does not fit.
 */
export class MediaInput {
  #avc: AvcDecoderConfiguration | undefined;

  /** Takes a video or audio message. */
  push(kind: 'video' | 'audio', timestampMs: number, body: Uint8Array): MediaInputResult {
    try {
      return kind === 'video' ? this.#pushVideo(timestampMs, body) : this.#pushAudio(timestampMs, body);
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      throw new ServiceError(
        'INVALID_ARGUMENT',
        'INGEST_MEDIA_MALFORMED',
        `Malformed ${kind}: ${error.message}`,
        {
          cause: error,
        },
      );
    }
  }

  #pushVideo(timestampMs: number, body: Uint8Array): MediaInputResult {
    const tag = parseVideoTag(body);
    switch (tag.kind) {
      case 'configuration':
        this.#avc = parseAvcDecoderConfiguration(tag.config);
        return { config: videoConfigOf(this.#avc) };
      case 'frame': {
        const current = this.#avc;
        // Frames before the first sequence header cannot be decoded by anyone.
        if (current === undefined) return NOTHING;
        const content = inspectAccessUnit(tag.data, current.lengthSize);
        const next = inBandConfiguration(current, content);
        if (next !== undefined) this.#avc = next;
        const config = next === undefined ? {} : { config: videoConfigOf(next) };
        if (!content.hasSlice) return config;
        const isCanonical = current.lengthSize === 4 && !content.hasDelimiterOrFiller;
        const data = isCanonical ? tag.data : stripDelimitersAndFiller(tag.data, current.lengthSize);
        const { compositionOffsetMs } = tag;
        return {
          ...config,
          unit: { kind: 'video', timestampMs, compositionOffsetMs, isRandomAccess: content.isIdr, data },
        };
      }
      case 'unsupported':
        throw unsupported('video', tag.codec, 'H.264');
      case 'empty':
      case 'end':
      case 'ignored':
        return NOTHING;
    }
  }

  #pushAudio(timestampMs: number, body: Uint8Array): MediaInputResult {
    const tag = parseAudioTag(body);
    switch (tag.kind) {
      case 'configuration':
        return { config: audioConfigOf(tag.config) };
      case 'frame':
        return {
          unit: { kind: 'audio', timestampMs, compositionOffsetMs: 0, isRandomAccess: true, data: tag.data },
        };
      case 'unsupported':
        throw unsupported('audio', tag.codec, 'AAC');
      case 'empty':
      case 'end':
      case 'ignored':
        return NOTHING;
    }
  }
}

function unsupported(kind: string, codec: string, wanted: string): ServiceError {
  return new ServiceError(
    'INVALID_ARGUMENT',
    'INGEST_CODEC_UNSUPPORTED',
    `The ${kind} codec is ${codec}, which is not taken: set the encoder to ${wanted}`,
  );
}

function videoConfigOf(avc: AvcDecoderConfiguration): VideoConfig {
  const [first] = avc.sequenceParameterSets;
  if (first === undefined) throw new ParseError('invalid', 0, 'no sequence parameter set');
  const sps = parseSequenceParameterSet(first);
  return {
    kind: 'video',
    codec: avcCodecString(sps),
    // Samples are relayed with lengths of 4 bytes, whatever the encoder uses.
    decoderConfig: marshalAvcDecoderConfiguration({ ...avc, lengthSize: 4 }),
    width: sps.width,
    height: sps.height,
    frameRate: sps.frameRate,
    sampleAspectRatio: sps.sampleAspectRatio,
    isInterlaced: sps.isInterlaced,
  };
}

function audioConfigOf(bytes: Uint8Array): AudioConfig {
  const config = parseAudioSpecificConfig(bytes);
  const silentFrame = silentAacFrame(config.channelCount);
  if (silentFrame === undefined) {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'INGEST_CHANNELS_UNSUPPORTED',
      `The audio has ${config.channelCount} channels, which is not taken: set the encoder to mono or stereo`,
    );
  }
  return {
    kind: 'audio',
    codec: aacCodecString(config),
    decoderConfig: bytes,
    sampleRate: config.sampleRate,
    channelCount: config.channelCount,
    samplesPerFrame: config.samplesPerFrame,
    silentFrame,
  };
}
