import { latin1, marshalBox, marshalFullBox, uint32 } from './box.ts';

/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_EPOCH_SECONDS = 2_208_988_800;

/** Marshals `styp` of a CMAF segment, or with `isChunk` of a chunk that is not the first of its segment (C-3). */
export function marshalSegmentType({ isChunk }: { readonly isChunk: boolean }): Buffer {
  const brand = latin1(isChunk ? 'cmfl' : 'cmfs');
  return marshalBox('styp', brand, uint32(0), brand, latin1('iso6'));
}

/**
 * Marshals `prft`, which goes in front of `moof`: at `utcUs` (microseconds since 1970) the sample with decode time
 * `mediaTime` was input to the encoder (ISO/IEC 14496-12 8.16.5, T-10). Throws `RangeError` for a time before 1970.
 */
export function marshalProducerReferenceTime(options: {
  readonly trackId: number;
  readonly utcUs: number;
  readonly mediaTime: number;
}): Buffer {
  const { trackId, utcUs, mediaTime } = options;
  if (utcUs < 0 || mediaTime < 0) throw new RangeError(`prft of ${utcUs} us at ${mediaTime}`);
  const seconds = Math.floor(utcUs / 1e6);
  const fraction = Math.floor(((utcUs - seconds * 1e6) * 0x1_0000_0000) / 1e6);
  return marshalFullBox(
    'prft',
    1,
    0, // encoder input time
    uint32(trackId, seconds + NTP_EPOCH_SECONDS, fraction, Math.floor(mediaTime / 0x1_0000_0000), mediaTime),
  );
}
