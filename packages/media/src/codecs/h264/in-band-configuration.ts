import { BitReader } from '../bit-reader.ts';
import type { AccessUnitContent } from './access-unit.ts';
import { avcDecoderConfigurationOf } from './avc-decoder-configuration.ts';
import type { AvcDecoderConfiguration } from './avc-decoder-configuration.ts';
import { removeEmulationPrevention } from './emulation-prevention.ts';

/**
 * The configuration that in-band parameter sets of an IDR access unit make out of the current one.
 *
 * Returns `undefined` while nothing differs: no sets, the same bytes again (some encoders repeat them with every IDR), or
 * not an IDR. A new SPS takes the place of all the old ones; a PPS on its own takes the place of those with its id. Throws
 * `ParseError` when the new SPS is bad, or comes without any PPS.
 */
export function inBandConfiguration(
  current: AvcDecoderConfiguration,
  content: AccessUnitContent,
): AvcDecoderConfiguration | undefined {
  const { isIdr, sps, pps } = content;
  if (!isIdr || (sps.length === 0 && pps.length === 0)) return undefined;
  const isNewSps = sps.some((set) => !includes(current.sequenceParameterSets, set));
  const isNewPps = pps.some((set) => !includes(current.pictureParameterSets, set));
  if (!isNewSps && !isNewPps) return undefined;
  const nextSps = isNewSps ? sps : current.sequenceParameterSets;
  const newIds = new Set(pps.map(ppsId));
  const keptPps =
    isNewSps && pps.length > 0 ? [] : current.pictureParameterSets.filter((old) => !newIds.has(ppsId(old)));
  return avcDecoderConfigurationOf(nextSps, [...keptPps, ...pps], current.lengthSize);
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
