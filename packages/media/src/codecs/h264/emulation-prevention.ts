/** The raw byte sequence payload of a NAL unit: emulation prevention bytes taken out (H.264 7.3.1). May be the very input. */
export function removeEmulationPrevention(nal: Uint8Array): Uint8Array {
  let zeros = 0;
  let out: Uint8Array | undefined;
  let length = 0;
  for (let at = 0; at < nal.length; at += 1) {
    const byte = nal[at] ?? 0;
    if (zeros >= 2 && byte === 3) {
      if (out === undefined) {
        // Not slice(): that of a Buffer shares its memory.
        out = new Uint8Array(nal);
        length = at;
      }
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    if (out !== undefined) {
      out[length] = byte;
      length += 1;
    }
  }
  return out === undefined ? nal : out.subarray(0, length);
}

/** A NAL unit from its raw payload: a 3 in front of each byte 0 to 3 that follows two zeros, and after a final zero. */
export function addEmulationPrevention(rbsp: Uint8Array): Uint8Array {
  const out: number[] = [];
  let zeros = 0;
  for (const byte of rbsp) {
    if (zeros >= 2 && byte <= 3) {
      out.push(3);
      zeros = 0;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  if (zeros > 0) out.push(3);
  return Uint8Array.from(out);
}
