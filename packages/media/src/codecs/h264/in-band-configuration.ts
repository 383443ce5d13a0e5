import { BitReader } from '../bit-reader.ts';
import type { AccessUnitContent } from './access-unit.ts';
import { avcDecoderConfigurationOf } from './avc-decoder-configuration.ts';
import type { AvcDecoderConfiguration } from './avc-decoder-configuration.ts';
import { removeEmulationPrevention } from './emulation-prevention.ts';

/**
 * The configuration that in-band parameter sets make out of the current one.
 *
 * They count in front of an IDR picture, or alone in their message; `undefined` while nothing differs: no sets, or the same
 * bytes again (some encoders repeat them with every IDR). A new SPS takes the place of all the old ones; a PPS on its own
 * takes the place of those with its id. The sets are copied. Throws `ParseError` when the new SPS is bad, there is no PPS
 * for it, or there are more than `avcC` can hold.
 */
export function inBandConfiguration(
  current: AvcDecoderConfiguration,
  content: AccessUnitContent,
): AvcDecoderConfiguration | undefined {
  const { isIdr, hasSlice, sps, pps } = content;
  if (hasSlice && !isIdr) return undefined;
  const { sequenceParameterSets, pictureParameterSets, lengthSize } = current;
  const isNewSps = sps.some((set) => !includes(sequenceParameterSets, set));
  const isNewPps = pps.some((set) => !includes(pictureParameterSets, set));
  if (!isNewSps && !isNewPps) return undefined;
  const newIds = new Set(pps.map(ppsId));
  const keptPps =
    isNewSps && pps.length > 0 ? [] : pictureParameterSets.filter((old) => !newIds.has(ppsId(old)));
  const nextSps = isNewSps ? copiesOf(sps) : sequenceParameterSets;
  return avcDecoderConfigurationOf(nextSps, [...keptPps, ...copiesOf(pps)], lengthSize);
}

/** Each set once, in memory of its own: the picture it came with is large. */
function copiesOf(sets: readonly Uint8Array[]): Uint8Array[] {
  const copies: Uint8Array[] = [];
  for (const set of sets) if (!includes(copies, set)) copies.push(new Uint8Array(set));
  return copies;
}

function includes(sets: readonly Uint8Array[], wanted: Uint8Array): boolean {
  return sets.some(
    (set) => set.length === wanted.length && set.every((byte, index) => byte === wanted[index]),
  );
}

/** pic_parameter_set_id, the first field of a PPS (H.264 7.3.2.2). */
function ppsId(nal: Uint8Array): number {
  return new BitReader(removeEmulationPrevention(nal).subarray(1)).ueAtMost(255, 'pic_parameter_set_id');
}
