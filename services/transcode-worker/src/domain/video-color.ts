import type { session } from '@millrace/contracts';
import { ParseError, parseAvcDecoderConfiguration, parseSequenceParameterSet } from '@millrace/media';
import type { ColorDescription } from '@millrace/media';
import type { ColorTags } from './video-filters.ts';

/** ISO/IEC 23001-8 code points that ffmpeg's filters know by name; others are taken as unsaid. */
const PRIMARIES: Readonly<Record<number, string>> = {
  1: 'bt709',
  4: 'bt470m',
  5: 'bt470bg',
  6: 'smpte170m',
  7: 'smpte240m',
  9: 'bt2020',
};
const TRANSFERS: Readonly<Record<number, string>> = {
  1: 'bt709',
  4: 'bt470m',
  5: 'bt470bg',
  6: 'smpte170m',
  7: 'smpte240m',
  13: 'iec61966-2-1',
  14: 'bt2020-10',
  15: 'bt2020-12',
  16: 'smpte2084',
  18: 'arib-std-b67',
};
const MATRICES: Readonly<Record<number, string>> = {
  1: 'bt709',
  4: 'fcc',
  5: 'bt470bg',
  6: 'smpte170m',
  7: 'smpte240m',
  9: 'bt2020nc',
  10: 'bt2020c',
};
/** Sources from this height on that say nothing are BT.709, smaller ones BT.601. */
const HD_HEIGHT = 720;

/**
 * The color tags of a track: what its SPS says, else what its size makes likely.
 *
 * The samples are scaled, not converted, so that the rungs carry the tags of the source.
 */
export function colorOf(track: session.Track): ColorTags {
  const usual = track.height >= HD_HEIGHT ? 'bt709' : 'smpte170m';
  const said = saidColor(track);
  return {
    primaries: PRIMARIES[said?.primaries ?? 0] ?? usual,
    transfer: TRANSFERS[said?.transfer ?? 0] ?? usual,
    matrix: MATRICES[said?.matrix ?? -1] ?? usual,
  };
}

/** What the SPS of a track says of its colors; `undefined` when it says nothing, or cannot be parsed. */
export function saidColor(track: session.Track): ColorDescription | undefined {
  try {
    const [sps] = parseAvcDecoderConfiguration(track.decoderConfig).sequenceParameterSets;
    return sps === undefined ? undefined : parseSequenceParameterSet(sps).color;
  } catch (error) {
    // What a decoder may still understand is no reason to refuse the period.
    if (error instanceof ParseError) return undefined;
    throw error;
  }
}
