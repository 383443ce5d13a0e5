import {
  inBandConfiguration,
  inspectAccessUnit,
  joinLengthPrefixed,
  NAL_TYPE,
  nalType,
  ParseError,
  parseAudioTag,
  parseAvcDecoderConfiguration,
  parseVideoTag,
  splitLengthPrefixed,
} from '@millrace/media';
import type {
  AccessUnitContent,
  AvcDecoderConfiguration,
  NalLengthSize,
  TrackConfig,
  VideoFrameTag,
  WireUnit,
} from '@millrace/media';
import { ServiceError } from '@millrace/runtime';
import { isHevcConfiguration } from './hevc-record.ts';
import { audioConfigOf, videoConfigOf } from './track-config.ts';

/** What an RTMP message comes to: a configuration, an access unit, or both (parameter sets inside an IDR). */
export interface MediaInputResult {
  readonly config?: TrackConfig;
  readonly unit?: WireUnit;
  /** What was wrong with an access unit that was left out. */
  readonly malformed?: string;
}

const NOTHING: MediaInputResult = {};
const NO_DATA = new Uint8Array();
/** So many malformed access units in a row are no accident. */
const MAX_MALFORMED = 50;

/**
 * Turns the FLV bodies of one publication into configurations and access units.
 *
 * In-band parameter sets count as a configuration. Access units come out with lengths of four bytes, without delimiters,
 * filler and parameter sets, which are in the configuration. A malformed one is left out. Throws `ServiceError`:
 * `INGEST_CODEC_UNSUPPORTED` and its like name what is not taken and what to set, `INGEST_CONFIGURATION_MALFORMED` and
 * `INGEST_MEDIA_MALFORMED` say what does not fit.
 */
export class MediaInput {
  #avc: AvcDecoderConfiguration | undefined;
  #malformedInRow = 0;

  /** Takes a video or audio message. */
  push(kind: 'video' | 'audio', timestampMs: number, body: Uint8Array): MediaInputResult {
    try {
      const result =
        kind === 'video' ? this.#pushVideo(timestampMs, body) : this.#pushAudio(timestampMs, body);
      this.#malformedInRow = 0;
      return result;
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      this.#malformedInRow += 1;
      if (this.#malformedInRow <= MAX_MALFORMED) return { malformed: `${kind}: ${error.message}` };
      throw new ServiceError(
        'INVALID_ARGUMENT',
        'INGEST_MEDIA_MALFORMED',
        `More than ${MAX_MALFORMED} messages in a row were malformed, the last ${kind}: ${error.message}`,
        { cause: error },
      );
    }
  }

  #pushVideo(timestampMs: number, body: Uint8Array): MediaInputResult {
    const tag = parseVideoTag(body);
    switch (tag.kind) {
      case 'configuration':
        return configured('video', tag.config, () => {
          const avc = parseAvcDecoderConfiguration(Uint8Array.from(tag.config));
          const config = videoConfigOf(avc);
          this.#avc = avc;
          return config;
        });
      case 'frame':
        return this.#pushPicture(timestampMs, tag);
      case 'unsupported':
        throw unsupported('video', tag.codec, 'H.264');
      case 'empty':
      case 'end':
      case 'ignored':
        return NOTHING;
    }
  }

  #pushPicture(timestampMs: number, { data, compositionOffsetMs }: VideoFrameTag): MediaInputResult {
    const current = this.#avc;
    // Pictures before the first sequence header cannot be decoded by anyone.
    if (current === undefined) return NOTHING;
    const content = inspectAccessUnit(data, current.lengthSize);
    const next = inBandConfiguration(current, content);
    // A new resolution without a sequence header (FFmpeg -c copy): it is in the IDR.
    const config = next === undefined ? undefined : videoConfigOf(next);
    if (next !== undefined) this.#avc = next;
    if (!content.hasSlice) return config === undefined ? NOTHING : { config };
    const unit: WireUnit = {
      kind: 'video',
      timestampMs,
      compositionOffsetMs,
      isRandomAccess: content.isIdr,
      data: canonical(data, content, current.lengthSize),
    };
    return config === undefined ? { unit } : { config, unit };
  }

  #pushAudio(timestampMs: number, body: Uint8Array): MediaInputResult {
    const tag = parseAudioTag(body);
    switch (tag.kind) {
      case 'configuration':
        return configured('audio', tag.config, () => audioConfigOf(tag.config));
      case 'frame':
        return audioUnit(timestampMs, tag.data);
      // Some encoders send it for silence; the timeline knows the frame for it.
      case 'empty':
        return audioUnit(timestampMs, NO_DATA);
      case 'unsupported':
        throw unsupported('audio', tag.codec, 'AAC');
      case 'end':
      case 'ignored':
        return NOTHING;
    }
  }
}

/** The access unit as CMAF has it; the encoder's own bytes where they are that already. */
function canonical(data: Uint8Array, content: AccessUnitContent, lengthSize: NalLengthSize): Uint8Array {
  const hasSets = content.isIdr && (content.sps.length > 0 || content.pps.length > 0);
  if (lengthSize === 4 && !content.hasDelimiterOrFiller && !hasSets) return data;
  const isKept = (type: number): boolean => {
    if (type === NAL_TYPE.accessUnitDelimiter || type === NAL_TYPE.filler) return false;
    // Sets outside of an IDR are not in the configuration.
    return !hasSets || (type !== NAL_TYPE.sps && type !== NAL_TYPE.pps);
  };
  return joinLengthPrefixed(
    splitLengthPrefixed(data, lengthSize).filter((nal) => isKept(nalType(nal))),
    4,
  );
}

/** A configuration that cannot be read ends the publication: nothing that follows could be decoded. */
function configured(kind: 'video' | 'audio', bytes: Uint8Array, parse: () => TrackConfig): MediaInputResult {
  try {
    return { config: parse() };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    if (kind === 'video' && isHevcConfiguration(bytes)) throw unsupported('video', 'HEVC', 'H.264');
    const wanted = kind === 'video' ? 'H.264' : 'AAC';
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'INGEST_CONFIGURATION_MALFORMED',
      `The ${kind} configuration is not one of ${wanted} (${error.message}): set the encoder to ${wanted}`,
      { cause: error },
    );
  }
}

function audioUnit(timestampMs: number, data: Uint8Array): MediaInputResult {
  return { unit: { kind: 'audio', timestampMs, compositionOffsetMs: 0, isRandomAccess: true, data } };
}

function unsupported(kind: string, codec: string, wanted: string): ServiceError {
  return new ServiceError(
    'INVALID_ARGUMENT',
    'INGEST_CODEC_UNSUPPORTED',
    `The ${kind} codec is ${codec}, which is not taken: set the encoder to ${wanted}`,
  );
}
