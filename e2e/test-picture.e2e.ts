import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { afterEach, describe, expect, test } from '@jest/globals';
import { BLOCK_COUNT, testPictureArguments } from '../scripts/test-picture.ts';
import type { TestPicture } from '../scripts/test-picture.ts';

const WATCHED_MS = 3000;
/** Encoder and decoder start while the first pictures wait. */
const SETTLING_MS = 1500;
const MAX_LAG_MS = 1000;
const DEADLINE_MS = 30_000;
const TIME_BITS = 32;
const WRAP = 2 ** TIME_BITS;

type Format = Pick<TestPicture, 'width' | 'height' | 'frameRate'>;

/** One picture: what its blocks say, and how long after that it was seen. */
interface Stamp {
  readonly ms: number;
  readonly lagMs: number;
  readonly isChecksumRight: boolean;
}

const children = new Set<ChildProcess>();

afterEach(async () => {
  for (const child of children) {
    const ended = new Promise((resolve) => child.once('close', resolve));
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await ended;
  }
  children.clear();
});

/** Encodes and decodes the test picture for some seconds, reading each picture as it comes. */
async function readStamps({ width, height, frameRate }: Format): Promise<readonly Stamp[]> {
  const picture = { width, height, frameRate, bitrateBps: 1_500_000, keyframeSeconds: 2, url: 'pipe:1' };
  const publisher = spawn('ffmpeg', testPictureArguments(picture), { stdio: ['ignore', 'pipe', 'pipe'] });
  // The middle row of the blocks, one byte for each pixel.
  const row = Math.floor(height / 36);
  const viewer = spawn(
    'ffmpeg',
    [
      // Without looking ahead: what waits for a probe would be seen late.
      ...['-v', 'error', '-fflags', 'nobuffer', '-fpsprobesize', '0', '-analyzeduration', '200000'],
      ...['-flags', 'low_delay', '-threads', '1', '-f', 'flv', '-i', 'pipe:0', '-an'],
      ...['-vf', `crop=${width}:2:0:${row - (row % 2)},format=gray,crop=${width}:1:0:0`],
      ...['-fps_mode', 'passthrough', '-f', 'rawvideo', '-flush_packets', '1', 'pipe:1'],
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  children.add(publisher).add(viewer);
  // Whichever ends first breaks the other's pipe.
  viewer.stdin.on('error', () => undefined);
  publisher.stdout.pipe(viewer.stdin);
  let said = '';
  for (const child of [publisher, viewer]) {
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  }
  const timer = setTimeout(() => viewer.kill('SIGKILL'), DEADLINE_MS);
  const stamps: Stamp[] = [];
  let rest = Buffer.alloc(0);
  for await (const chunk of viewer.stdout as AsyncIterable<Buffer>) {
    const seenMs = Date.now();
    rest = Buffer.concat([rest, chunk]);
    for (; rest.length >= width; rest = rest.subarray(width)) stamps.push(decode(rest, width, seenMs));
    const [first, last] = [stamps[0], stamps.at(-1)];
    if (first !== undefined && last !== undefined && last.ms - first.ms >= WATCHED_MS) break;
  }
  clearTimeout(timer);
  expect(said).toBe('');
  return stamps;
}

/** Reads UTC in ms modulo 2^32, most significant bit first, and the XOR of its bytes behind it. */
function decode(pixels: Buffer, width: number, seenMs: number): Stamp {
  const bits = Array.from({ length: BLOCK_COUNT }, (_, block) =>
    (pixels[Math.floor(((block + 0.5) * width) / BLOCK_COUNT)] ?? 0) >= 128 ? '1' : '0',
  ).join('');
  const ms = Number.parseInt(bits.slice(0, TIME_BITS), 2);
  const [checksum = -1, ...bytes] = [TIME_BITS, 0, 8, 16, 24].map((at) =>
    Number.parseInt(bits.slice(at, at + 8), 2),
  );
  return {
    ms,
    lagMs: (seenMs % WRAP) - ms,
    isChecksumRight: checksum === bytes.reduce((xor, byte) => xor ^ byte, 0),
  };
}

describe('the test picture', () => {
  test.each([
    { name: 'small', width: 426, height: 240, frameRate: 15 },
    { name: 'as the demo sends it', width: 1280, height: 720, frameRate: 30 },
  ])(
    '$name: the blocks of every picture are the time it was drawn at, with their checksum',
    async (format) => {
      const stamps = await readStamps(format);
      const first = stamps[0]?.ms ?? 0;
      expect(stamps.length).toBeGreaterThan((WATCHED_MS / 1000) * format.frameRate * 0.8);
      expect(stamps.filter(({ isChecksumRight }) => !isChecksumRight)).toEqual([]);
      expect(stamps.map(({ ms }) => ms)).toEqual(stamps.map(({ ms }) => ms).toSorted((a, b) => a - b));
      expect(new Set(stamps.map(({ ms }) => ms)).size).toBe(stamps.length);
      const settled = stamps.filter(({ ms }) => ms - first >= SETTLING_MS);
      expect(settled.length).toBeGreaterThan(0);
      // The same clock on both sides: nothing is seen before it was drawn, but for the rounding to a ms.
      expect(settled.filter(({ lagMs }) => lagMs < -1 || lagMs > MAX_LAG_MS)).toEqual([]);
    },
    DEADLINE_MS * 2,
  );
});
