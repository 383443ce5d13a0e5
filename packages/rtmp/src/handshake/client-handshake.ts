import { randomFillSync } from 'node:crypto';
import { RtmpError } from '../rtmp-error.ts';
import { type DigestScheme, findDigest, HANDSHAKE_BYTES, signAnswer, signPacket } from './digest.ts';
import type { RandomFill } from './server-handshake.ts';

/** What FFmpeg claims to be. */
const CLIENT_VERSION = [9, 0, 124, 2] as const;

/** The client's side of the handshake: C0 C1 out, S0 S1 S2 in, C2 out. With `digest` as FFmpeg does it, else an echo. */
export class ClientHandshake {
  readonly #input = new Uint8Array(1 + 2 * HANDSHAKE_BYTES);
  #received = 0;
  readonly #digest: DigestScheme | undefined;
  readonly #randomFill: RandomFill;

  constructor(digest?: DigestScheme, randomFill: RandomFill = (bytes) => void randomFillSync(bytes)) {
    this.#digest = digest;
    this.#randomFill = randomFill;
  }

  /** C0 and C1. */
  start(): Uint8Array {
    const hello = new Uint8Array(1 + HANDSHAKE_BYTES);
    const c1 = hello.subarray(1);
    this.#randomFill(c1);
    c1.fill(0, 0, 8);
    if (this.#digest !== undefined) {
      c1.set(CLIENT_VERSION, 4);
      signPacket(c1, this.#digest, 'client');
    }
    hello[0] = 3;
    return hello;
  }

  /** Takes bytes; returns how many, and C2 when all of S0 S1 S2 is in. */
  push(input: Uint8Array): { readonly read: number; readonly output: Uint8Array | undefined } {
    const read = Math.min(input.length, this.#input.length - this.#received);
    this.#input.set(input.subarray(0, read), this.#received);
    this.#received += read;
    if (this.#received < this.#input.length) return { read, output: undefined };
    if (this.#input[0] !== 3)
      throw new RtmpError('VERSION_UNSUPPORTED', 0, `server answers ${this.#input[0]}`);
    const s1 = this.#input.subarray(1, 1 + HANDSHAKE_BYTES);
    const found = this.#digest === undefined ? undefined : findDigest(s1, 'server');
    if (found === undefined) return { read, output: s1.slice() };
    const c2 = new Uint8Array(HANDSHAKE_BYTES);
    this.#randomFill(c2);
    signAnswer(c2, found.digest, 'client');
    return { read, output: c2 };
  }
}
