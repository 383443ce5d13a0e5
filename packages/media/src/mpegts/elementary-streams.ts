import { marshalAdtsHeader } from '../codecs/aac/adts.ts';
import { parseAudioSpecificConfig } from '../codecs/aac/audio-specific-config.ts';
import { parseAvcDecoderConfiguration } from '../codecs/h264/avc-decoder-configuration.ts';
import { NAL_TYPE, nalType, splitLengthPrefixed } from '../codecs/h264/nal-unit.ts';
import { parseSequenceParameterSet } from '../codecs/h264/sequence-parameter-set.ts';
import type { TrackFragment } from '../isobmff/track.ts';
import type { PesUnit } from './packet-writer.ts';
import { marshalPesHeader, wrapTimestamp } from './pes-header.ts';
import { PID } from './program-tables.ts';

/** A track of one segment: its configuration and its fragments in order. */
export interface TsTrack {
  readonly kind: 'video' | 'audio';
  /** avcC for video, AudioSpecificConfig for audio. */
  readonly decoderConfig: Uint8Array;
  /** Ticks per second of the fragments. */
  readonly timescale: number;
  readonly fragments: readonly TrackFragment[];
}

/** A unit and when it is to be sent, in 90 kHz since 1970. */
export interface TimedUnit {
  readonly sendAt: number;
  readonly unit: PesUnit;
}

const CLOCK = 90_000;
/** How far the clock reference lies before the decode time it is sent with: what a receiver has to fill its buffers. */
const CLOCK_LEAD = 0.7 * CLOCK;
/** Audio frames in a PES packet: saves a header and stuffing for each, and stays below a tenth of a second. */
export const FRAMES_PER_PES = 4;
/** Where a stream with reordered pictures does not say its rate. */
const ASSUMED_FRAME_TICKS = CLOCK / 15;
const DEFAULT_REORDER_FRAMES = 2;
const BASELINE_PROFILE = 66;

const START_CODE = Buffer.from([0, 0, 0, 1]);
const DELIMITER = Buffer.from([0, 0, 0, 1, NAL_TYPE.accessUnitDelimiter, 0xf0]);

/** Ticks of any timescale to 90 kHz, rounded, without leaving the safe integers. */
export function to90kHz(ticks: number, timescale: number): number {
  const seconds = Math.floor(ticks / timescale);
  return seconds * CLOCK + Math.round(((ticks - seconds * timescale) * CLOCK) / timescale);
}

function clockReference(dts: number): number {
  return wrapTimestamp(dts - CLOCK_LEAD);
}

/** H.264 in Annex B: a delimiter in front of each access unit, the parameter sets in front of each IDR that has none. */
export function videoUnits(track: TsTrack): TimedUnit[] {
  const configuration = parseAvcDecoderConfiguration(track.decoderConfig);
  const sets = [...configuration.sequenceParameterSets, ...configuration.pictureParameterSets];
  const shift = decodeShift(configuration.sequenceParameterSets[0]);
  const units: TimedUnit[] = [];
  for (const { baseMediaDecodeTime, samples } of track.fragments) {
    let decodeTime = baseMediaDecodeTime;
    for (const sample of samples) {
      const pts = to90kHz(decodeTime + sample.compositionOffset, track.timescale);
      const dts = Math.min(pts, to90kHz(decodeTime, track.timescale) - shift);
      decodeTime += sample.duration;
      const nals = splitLengthPrefixed(sample.data, configuration.lengthSize).filter(
        (nal) => nalType(nal) !== NAL_TYPE.accessUnitDelimiter,
      );
      const isIdr = nals.some((nal) => nalType(nal) === NAL_TYPE.idrSlice);
      const hasSets = nals.some((nal) => nalType(nal) === NAL_TYPE.sps);
      const pieces: Uint8Array[] = [DELIMITER];
      for (const nal of isIdr && !hasSets ? [...sets, ...nals] : nals) pieces.push(START_CODE, nal);
      const payloadBytes = byteLength(pieces);
      const header = marshalPesHeader('video', { pts, dts }, payloadBytes);
      units.push({
        sendAt: dts,
        unit: {
          pid: PID.VIDEO,
          pieces: [header, ...pieces],
          sizeBytes: header.length + payloadBytes,
          pcr: clockReference(dts),
          isRandomAccess: isIdr,
        },
      });
    }
  }
  return units;
}

/**
 * How much earlier than in CMAF pictures are decoded in a transport stream, where no DTS may lie after its PTS.
 *
 * A function of the parameter set alone: the same for every segment, so that the DTS of successive segments go on.
 */
function decodeShift(set: Uint8Array | undefined): number {
  if (set === undefined) return 0;
  const sps = parseSequenceParameterSet(set);
  const reordered = sps.maxReorderFrames ?? (sps.profile === BASELINE_PROFILE ? 0 : DEFAULT_REORDER_FRAMES);
  const rate = sps.frameRate;
  const frameTicks = rate === undefined ? ASSUMED_FRAME_TICKS : (CLOCK * rate.denominator) / rate.numerator;
  return Math.ceil(reordered * frameTicks);
}

/** AAC in ADTS, a few frames to a PES packet. With `hasClock` it also carries the program's clock reference. */
export function audioUnits(track: TsTrack, hasClock: boolean): TimedUnit[] {
  const config = parseAudioSpecificConfig(track.decoderConfig);
  const units: TimedUnit[] = [];
  for (const { baseMediaDecodeTime, samples } of track.fragments) {
    let decodeTime = baseMediaDecodeTime;
    for (let first = 0; first < samples.length; first += FRAMES_PER_PES) {
      const frames = samples.slice(first, first + FRAMES_PER_PES);
      const pts = to90kHz(decodeTime, track.timescale);
      const pieces = frames.flatMap(({ data }) => [marshalAdtsHeader(config, data.length), data]);
      const payloadBytes = byteLength(pieces);
      const header = marshalPesHeader('audio', { pts, dts: pts }, payloadBytes);
      units.push({
        sendAt: pts,
        unit: {
          pid: PID.AUDIO,
          pieces: [header, ...pieces],
          sizeBytes: header.length + payloadBytes,
          isRandomAccess: hasClock,
          ...(hasClock ? { pcr: clockReference(pts) } : {}),
        },
      });
      for (const { duration } of frames) decodeTime += duration;
    }
  }
  return units;
}

function byteLength(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
