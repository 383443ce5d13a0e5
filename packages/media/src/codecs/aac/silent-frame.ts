import { BitWriter } from '../bit-writer.ts';

/** Elements of a raw_data_block (ISO/IEC 14496-3 table 4.85). */
const ELEMENT = { single: 0, pair: 1, lfe: 3, end: 7 } as const;
type Element = 'single' | 'pair' | 'lfe';

/** The elements of each channelConfiguration, in the order of ISO/IEC 14496-3 table 1.19. */
const LAYOUTS: readonly (readonly Element[])[] = [
  [],
  ['single'],
  ['pair'],
  ['single', 'pair'],
  ['single', 'pair', 'single'],
  ['single', 'pair', 'pair'],
  ['single', 'pair', 'pair', 'lfe'],
  ['single', 'pair', 'pair', 'pair', 'lfe'],
];

/**
 * The raw_data_block of AAC-LC that decodes to silence: no element has a single coefficient. Good at any sample rate.
 *
 * `undefined` for a channel configuration that lists its channels elsewhere (0, and those over 7).
 */
export function silentAacFrame(channelConfiguration: number): Uint8Array | undefined {
  const layout = LAYOUTS[channelConfiguration];
  if (layout === undefined || layout.length === 0) return undefined;
  const writer = new BitWriter();
  const counts = { single: 0, pair: 0, lfe: 0 };
  for (const element of layout) {
    writer.bits(ELEMENT[element], 3).bits(counts[element], 4); // element_instance_tag
    counts[element] += 1;
    if (element === 'pair') writeSilentPair(writer);
    else writeSilentChannel(writer);
  }
  return writer.bits(ELEMENT.end, 3).toBytes();
}

/** One window for both: common_window, ics_info, ms_mask_present, then both channels without a window of their own. */
function writeSilentPair(writer: BitWriter): void {
  writer.flag(true);
  writeWindow(writer);
  writer.bits(0, 2).bits(0, GAIN_AND_TOOLS_BITS).bits(0, GAIN_AND_TOOLS_BITS);
}

function writeSilentChannel(writer: BitWriter): void {
  writer.bits(0, 8);
  writeWindow(writer);
  writer.bits(0, 3); // pulse_data_present, tns_data_present, gain_control_data_present
}

/** ics_info: reserved bit, ONLY_LONG_SEQUENCE, sine window, max_sfb 0, no prediction. */
function writeWindow(writer: BitWriter): void {
  writer.bits(0, 1 + 2 + 1 + 6 + 1);
}

/** global_gain and the three tool flags. */
const GAIN_AND_TOOLS_BITS = 8 + 3;
