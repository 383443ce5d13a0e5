import { AAC_SAMPLE_RATES } from './audio-specific-config.ts';
import type { AudioSpecificConfig } from './audio-specific-config.ts';

/** Size of an ADTS header without CRC. */
export const ADTS_HEADER_BYTES = 7;
const MAX_FRAME_BYTES = 0x1fff;

/**
 * Marshals the ADTS header (ISO/IEC 14496-3 1.A.2) that goes in front of one raw_data_block of `payloadBytes`.
 *
 * Throws `RangeError` for what ADTS cannot say: an object type over 4, a rate outside the table, a channel
 * configuration over 7, or a frame over 8191 bytes.
 */
export function marshalAdtsHeader(
  config: Pick<AudioSpecificConfig, 'objectType' | 'sampleRate' | 'channelConfiguration'>,
  payloadBytes: number,
): Uint8Array {
  const rateIndex = AAC_SAMPLE_RATES.indexOf(config.sampleRate);
  const { channelConfiguration } = config;
  const size = ADTS_HEADER_BYTES + payloadBytes;
  if (config.objectType < 1 || config.objectType > 4)
    throw new RangeError(`ADTS has no object type ${config.objectType}`);
  if (rateIndex === -1) throw new RangeError(`ADTS has no sample rate ${config.sampleRate}`);
  if (channelConfiguration > 7)
    throw new RangeError(`ADTS has no channel configuration ${channelConfiguration}`);
  if (size > MAX_FRAME_BYTES) throw new RangeError(`an ADTS frame of ${size} bytes`);
  return Uint8Array.of(
    0xff,
    0xf1, // MPEG-4, layer 0, no CRC
    ((config.objectType - 1) << 6) | (rateIndex << 2) | (channelConfiguration >> 2),
    ((channelConfiguration & 3) << 6) | (size >> 11),
    (size >> 3) & 0xff,
    ((size & 7) << 5) | 0x1f, // buffer fullness 0x7ff: variable rate
    0xfc, // one raw_data_block
  );
}
