const POLYNOMIAL = 0x04c1_1db7;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = (byte << 24) >>> 0;
  for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ (crc >>> 31 === 1 ? POLYNOMIAL : 0)) >>> 0;
  return crc;
});

/** The checksum of NUT: CRC-32 with polynomial 0x04C11DB7, most significant bit first, from 0, not inverted. */
export function nutCrc(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let crc = 0;
  for (let at = start; at < end; at += 1) {
    crc = (crc << 8) ^ (TABLE[(crc >>> 24) ^ (bytes[at] ?? 0)] ?? 0);
  }
  return crc >>> 0;
}
