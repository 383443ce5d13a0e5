/**
 * raw_data_blocks of AAC-LC without a single spectral coefficient, by channel count.
 *
 * One element with max_sfb 0 and a long sine window, then ID_END: each decodes to 1024 samples of zero, at any rate.
 */
const SILENT_FRAMES: ReadonlyMap<number, Uint8Array> = new Map([
  // ID_SCE, global_gain 0, no tools
  [1, Uint8Array.of(0x00, 0x00, 0x00, 0x07)],
  // ID_CPE, common_window, no M/S, twice global_gain 0 and no tools
  [2, Uint8Array.of(0x21, 0x00, 0x00, 0x00, 0x00, 0x1c)],
]);

/** The silent AAC-LC frame for one or two channels; `undefined` for any other count. The bytes are shared: do not write to them. */
export function silentAacFrame(channelCount: number): Uint8Array | undefined {
  return SILENT_FRAMES.get(channelCount);
}
