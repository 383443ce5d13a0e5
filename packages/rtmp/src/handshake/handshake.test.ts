import { describe, expect, test } from '@jest/globals';
import { concat, hex, PLAIN_HANDSHAKE } from '../testdata/wire.ts';
import { ClientHandshake } from './client-handshake.ts';
import { findDigest, HANDSHAKE_BYTES, signAnswer } from './digest.ts';
import { ServerHandshake } from './server-handshake.ts';

const fillWith =
  (byte: number) =>
  (bytes: Uint8Array): void =>
    void bytes.fill(byte);
const partsOf = (output: Uint8Array | undefined): readonly [number | undefined, Uint8Array, Uint8Array] => [
  output?.[0],
  output?.subarray(1, 1 + HANDSHAKE_BYTES) ?? new Uint8Array(0),
  output?.subarray(1 + HANDSHAKE_BYTES) ?? new Uint8Array(0),
];

describe('handshake', () => {
  test('a C1 with zeros in bytes 4 to 7 (GStreamer, librtmp) is echoed', () => {
    const server = new ServerHandshake(fillWith(1));
    const c0c1 = PLAIN_HANDSHAKE.subarray(0, 1 + HANDSHAKE_BYTES);
    const { read, output } = server.push(c0c1);
    const [s0, s1, s2] = partsOf(output);
    expect([read, s0]).toEqual([c0c1.length, 3]);
    expect([...s1.subarray(4, 8)]).toEqual([0, 0, 0, 0]);
    expect(Buffer.from(s2).equals(Buffer.from(c0c1.subarray(1)))).toBe(true);
    expect(server.isDone).toBe(false);
  });

  test.each([8, 772] as const)(
    'a C1 with a digest of scheme %i (FFmpeg sends 09007c02) is answered with digests',
    (scheme) => {
      const client = new ClientHandshake(scheme, fillWith(5));
      const hello = client.start();
      expect(Buffer.from(hello.subarray(5, 9)).toString('hex')).toBe('09007c02');
      const [, s1, s2] = partsOf(new ServerHandshake(fillWith(9)).push(hello).output);
      expect(findDigest(s1, 'server')?.scheme).toBe(scheme);
      const proof = s2.slice();
      signAnswer(proof, findDigest(hello.subarray(1), 'client')?.digest ?? new Uint8Array(32), 'server');
      expect(Buffer.from(s2).equals(Buffer.from(proof))).toBe(true);
    },
  );

  test('a C1 with a version and no valid digest falls back to the echo', () => {
    const c0c1 = PLAIN_HANDSHAKE.slice(0, 1 + HANDSHAKE_BYTES);
    c0c1.set(hex('09007c02'), 5);
    const [, s1, s2] = partsOf(new ServerHandshake(fillWith(1)).push(c0c1).output);
    expect([...s1.subarray(4, 8)]).toEqual([0, 0, 0, 0]);
    expect(Buffer.from(s2).equals(Buffer.from(c0c1.subarray(1)))).toBe(true);
  });

  test('a digest covers every byte of its packet', () => {
    const hello = new ClientHandshake(8, fillWith(0)).start();
    expect(findDigest(hello.subarray(1), 'client')?.scheme).toBe(8);
    hello[1536] = 1;
    expect(findDigest(hello.subarray(1), 'client')).toBeUndefined();
  });

  test('data is read only behind C2 (R1 5.2.1), and not one byte of it is taken', () => {
    const server = new ServerHandshake(fillWith(1));
    const { read } = server.push(concat(PLAIN_HANDSHAKE, hex('0300')));
    expect(read).toBe(PLAIN_HANDSHAKE.length);
    expect(server.isDone).toBe(true);
  });

  test('byte by byte, S0 S1 S2 go out once, when C1 is in', () => {
    const server = new ServerHandshake(fillWith(1));
    const outputs = [...PLAIN_HANDSHAKE].map((byte) => server.push(Uint8Array.of(byte)).output?.length ?? 0);
    expect(outputs.findIndex((length) => length > 0)).toBe(HANDSHAKE_BYTES);
    expect(outputs.filter((length) => length > 0)).toEqual([1 + 2 * HANDSHAKE_BYTES]);
    expect(server.isDone).toBe(true);
  });

  test('a later version gets 3 for an answer (R1 5.2.2)', () => {
    const hello = PLAIN_HANDSHAKE.slice(0, 1 + HANDSHAKE_BYTES);
    hello[0] = 4;
    expect(new ServerHandshake().push(hello).output?.[0]).toBe(3);
  });

  test.each([undefined, 8, 772] as const)('client and server agree with digest scheme %s', (scheme) => {
    const client = new ClientHandshake(scheme);
    const server = new ServerHandshake();
    const answer = server.push(client.start()).output ?? new Uint8Array(0);
    expect(client.push(answer.subarray(0, 2000)).output).toBeUndefined();
    const c2 = client.push(answer.subarray(2000)).output ?? new Uint8Array(0);
    expect(c2).toHaveLength(HANDSHAKE_BYTES);
    server.push(c2);
    expect(server.isDone).toBe(true);
  });

  test('a server that answers another version is refused by the client', () => {
    expect(() => new ClientHandshake().push(new Uint8Array(1 + 2 * HANDSHAKE_BYTES))).toThrow(
      expect.objectContaining({ kind: 'VERSION_UNSUPPORTED' }),
    );
  });
});
