/** Cuts a fragmented MP4 into its init segment and its fragments, each a moof and its mdat. */
export function splitMovie(bytes: Buffer): { readonly init: Buffer; readonly fragments: readonly Buffer[] } {
  const fragments: Buffer[] = [];
  let init = bytes.subarray(0, 0);
  let moofAt = -1;
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    const type = bytes.toString('latin1', at + 4, at + 8);
    const end = at + bytes.readUInt32BE(at);
    if (type === 'moov') init = bytes.subarray(0, end);
    if (type === 'moof') moofAt = at;
    if (type === 'mdat') fragments.push(bytes.subarray(moofAt, end));
  }
  return { init, fragments };
}
