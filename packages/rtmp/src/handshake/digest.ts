import { createHmac, timingSafeEqual } from 'node:crypto';

export const HANDSHAKE_BYTES = 1536;
const DIGEST_BYTES = 32;

/** The part of each key that signs a packet; the whole key, with the 32 bytes below, derives the answer's key. */
const CLIENT_KEY = Buffer.from('Genuine Adobe Flash Player 001');
const SERVER_KEY = Buffer.from('Genuine Adobe Flash Media Server 001');
const KEY_TAIL = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');

/** Who signs. */
export type HandshakeSide = 'client' | 'server';
/** Byte that the four offset bytes of a scheme start at. */
export type DigestScheme = 8 | 772;

const hmac = (key: Uint8Array, ...parts: Uint8Array[]): Buffer => {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};

const keyOf = (side: HandshakeSide): Buffer => (side === 'client' ? CLIENT_KEY : SERVER_KEY);

const digestOffset = (packet: Uint8Array, scheme: DigestScheme): number => {
  let sum = 0;
  for (let i = 0; i < 4; i += 1) sum += packet[scheme + i] ?? 0;
  return (sum % 728) + scheme + 4;
};

const digestOf = (packet: Uint8Array, offset: number, side: HandshakeSide): Buffer =>
  hmac(keyOf(side), packet.subarray(0, offset), packet.subarray(offset + DIGEST_BYTES, HANDSHAKE_BYTES));

/** The digest of a C1 or S1, and the scheme it was found by; undefined when neither scheme fits. */
export const findDigest = (
  packet: Uint8Array,
  side: HandshakeSide,
): { readonly scheme: DigestScheme; readonly digest: Uint8Array } | undefined => {
  for (const scheme of [772, 8] as const) {
    const offset = digestOffset(packet, scheme);
    const digest = packet.subarray(offset, offset + DIGEST_BYTES);
    if (timingSafeEqual(digest, digestOf(packet, offset, side))) return { scheme, digest };
  }
  return undefined;
};

/** Writes the digest into a C1 or S1 whose other bytes are final. */
export const signPacket = (packet: Uint8Array, scheme: DigestScheme, side: HandshakeSide): void => {
  const offset = digestOffset(packet, scheme);
  packet.set(digestOf(packet, offset, side), offset);
};

/** Writes the last 32 bytes of a C2 or S2, which prove that its sender saw the peer's digest. */
export const signAnswer = (answer: Uint8Array, peerDigest: Uint8Array, side: HandshakeSide): void => {
  const key = hmac(Buffer.concat([keyOf(side), KEY_TAIL]), peerDigest);
  const start = HANDSHAKE_BYTES - DIGEST_BYTES;
  answer.set(hmac(key, answer.subarray(0, start)), start);
};
