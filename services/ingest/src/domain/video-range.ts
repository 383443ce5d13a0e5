import { session } from '@millrace/contracts';
import { ParseError, parseAvcDecoderConfiguration, parseSequenceParameterSet } from '@millrace/media';

/** Transfer characteristics (ISO/IEC 23091-2) that are not SDR. */
const RANGES: Readonly<Record<number, session.VideoRange>> = {
  16: session.VideoRange.PQ,
  18: session.VideoRange.HLG,
};

/** The dynamic range of a video track, by what its SPS says; SDR when it says nothing, or cannot be parsed (M-2). */
export function videoRangeOf({ decoderConfig }: session.Track): session.VideoRange {
  return RANGES[transferOf(decoderConfig) ?? 0] ?? session.VideoRange.SDR;
}

function transferOf(decoderConfig: Uint8Array): number | undefined {
  try {
    const [sps] = parseAvcDecoderConfiguration(decoderConfig).sequenceParameterSets;
    return sps === undefined ? undefined : parseSequenceParameterSet(sps).color?.transfer;
  } catch (error) {
    // What a decoder may still understand is no reason to refuse the session.
    if (error instanceof ParseError) return undefined;
    throw error;
  }
}
