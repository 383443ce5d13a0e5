import { randomFillSync } from 'node:crypto';
import { RtmpError } from '../rtmp-error.ts';
import { findDigest, HANDSHAKE_BYTES, signAnswer, signPacket } from './digest.ts';

const VERSION = 3;
/** Versions of RTMPE: Diffie-Hellman, then RC4, with and without extra ciphers. */
const ENCRYPTED_VERSIONS: readonly number[] = [6, 8, 9];
/** A TLS record of type handshake. */
const TLS_HANDSHAKE = 0x16;
/** What we claim to be where a digest is used; any non-zero value does. */
const SERVER_VERSION = [3, 5, 1, 1] as const;

/** Fills a buffer with random bytes. */
export type RandomFill = (bytes: Uint8Array) => void;

/**
 * The server's side of the handshake (R1 5.2): C0 C1 in, S0 S1 S2 out, C2 in.
 *
 * Answers with a digest when C1 has one in either scheme, else with an echo. C2 is not checked: nothing depends on it.
 */
export class ServerHandshake {
  readonly #randomFill: RandomFill;
  readonly #hello = new Uint8Array(1 + HANDSHAKE_BYTES);
  #received = 0;

  constructor(randomFill: RandomFill = (bytes) => void randomFillSync(bytes)) {
    this.#randomFill = randomFill;
  }

  /** Whether C2 is in. */
  get isDone(): boolean {
    return this.#received === 1 + 2 * HANDSHAKE_BYTES;
  }

  /**
   * Takes bytes; returns how many, and what to send now.
   *
   * Throws `NOT_RTMP`, `TLS_ON_PLAIN_PORT`, `ENCRYPTION_UNSUPPORTED` or `VERSION_UNSUPPORTED` on the first byte.
   */
  push(input: Uint8Array): { readonly read: number; readonly output: Uint8Array | undefined } {
    const helloLeft = Math.max(0, this.#hello.length - this.#received);
    const answerLeft = 1 + 2 * HANDSHAKE_BYTES - this.#received;
    const read = Math.min(input.length, answerLeft);
    if (this.#received === 0 && read > 0) checkVersion(input[0] ?? 0);
    if (helloLeft > 0) this.#hello.set(input.subarray(0, Math.min(read, helloLeft)), this.#received);
    this.#received += read;
    const hasHello = helloLeft > 0 && read >= helloLeft;
    return { read, output: hasHello ? this.#answer() : undefined };
  }

  #answer(): Uint8Array {
    const output = new Uint8Array(1 + 2 * HANDSHAKE_BYTES);
    output[0] = VERSION;
    const c1 = this.#hello.subarray(1);
    const s1 = output.subarray(1, 1 + HANDSHAKE_BYTES);
    const s2 = output.subarray(1 + HANDSHAKE_BYTES);
    this.#randomFill(s1);
    s1.fill(0, 0, 8);
    // Bytes 4..7 are a version where the client wants a digest, and zero where it does not.
    const claimsVersion = c1.subarray(4, 8).some((byte) => byte !== 0);
    const found = claimsVersion ? findDigest(c1, 'client') : undefined;
    if (found === undefined) {
      s2.set(c1);
    } else {
      s1.set(SERVER_VERSION, 4);
      signPacket(s1, found.scheme, 'server');
      this.#randomFill(s2);
      signAnswer(s2, found.digest, 'server');
    }
    return output;
  }
}

const checkVersion = (version: number): void => {
  if (version === TLS_HANDSHAKE) {
    throw new RtmpError('TLS_ON_PLAIN_PORT', 0, 'a TLS handshake; use rtmp:// here instead of rtmps://');
  }
  if (version >= 32)
    throw new RtmpError('NOT_RTMP', 0, `first byte ${version}, text such as an HTTP request`);
  if (ENCRYPTED_VERSIONS.includes(version)) {
    throw new RtmpError('ENCRYPTION_UNSUPPORTED', 0, 'RTMPE; use rtmp:// instead of rtmpe://');
  }
  if (version < VERSION) throw new RtmpError('VERSION_UNSUPPORTED', 0, `RTMP version ${version}, expected 3`);
  // Later versions get 3 as the answer and may degrade (R1 5.2.2).
};
