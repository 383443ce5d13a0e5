import type { BitReader } from '../bit-reader.ts';

/** Parses a program_config_element (ISO/IEC 14496-3 table 4.2) and counts its output channels. Throws `ParseError`. */
export function parseProgramConfig(reader: BitReader): { readonly channelCount: number } {
  reader.skip(4 + 2 + 4); // element_instance_tag, object_type, sampling_frequency_index
  const front = reader.bits(4);
  const side = reader.bits(4);
  const back = reader.bits(4);
  const lfe = reader.bits(2);
  const associatedData = reader.bits(3);
  const coupling = reader.bits(4);
  if (reader.flag()) reader.skip(4); // mono_mixdown_element_number
  if (reader.flag()) reader.skip(4); // stereo_mixdown_element_number
  if (reader.flag()) reader.skip(3); // matrix_mixdown_idx, pseudo_surround_enable
  let channelCount = lfe;
  for (let element = 0; element < front + side + back; element += 1) {
    channelCount += reader.flag() ? 2 : 1; // is_cpe
    reader.skip(4);
  }
  reader.skip(lfe * 4 + associatedData * 4 + coupling * 5);
  reader.alignToByte();
  reader.skip(reader.bits(8) * 8); // comment
  return { channelCount };
}
