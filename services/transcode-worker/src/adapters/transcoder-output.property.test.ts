import { describe, expect, test } from '@jest/globals';
import { marshalFragment, marshalInitSegment } from '@millrace/media';
import * as fc from 'fast-check';
import { EncodedLane } from '../domain/encoded-lane.ts';
import { PartGrid } from '../domain/part-grid.ts';
import { encodedInit } from '../domain/rendition-init.ts';
import { fuzz, mutate } from '../testing/fuzz.ts';
import { audioRendition, videoRendition } from '../testing/renditions.ts';
import { FIRST_K, presentationOf, START_TICKS } from '../testing/worker-harness.ts';
import { TranscoderOutput } from './transcoder-output.ts';

const grid = new PartGrid({ numerator: 2, denominator: 1 }, { numerator: 1, denominator: 5 });
const first = { k: FIRST_K, part: 0 };
const lanes = [
  { rendition: videoRendition({ codec: 'avc1.42c00d' }), first, firstTicks: START_TICKS },
  { rendition: audioRendition(), first, firstTicks: undefined },
];
/** What x264 writes for 320x180. */
const AVC_CONFIG = Buffer.from(
  '0142c00dffe100176742c00dda05067e7c0440000003004000000c83c50aa801000468ce0fc8',
  'hex',
);

/** What ffmpeg writes to a pipe: a header, then one fragment for each sample. */
function outputOf(init: Buffer, firstDts: number, duration: number, samples: number): Buffer {
  const fragments = Array.from({ length: samples }, (_, index) =>
    marshalFragment(
      {
        trackId: 1,
        baseMediaDecodeTime: firstDts + index * duration,
        samples: [
          {
            duration,
            compositionOffset: 0,
            isSync: index === 0 || duration === 1024,
            data: Buffer.alloc(9, 7),
          },
        ],
      },
      index,
    ),
  );
  return Buffer.concat([init, ...fragments]);
}

const OUTPUTS = [
  outputOf(
    marshalInitSegment({
      ...{ kind: 'video', trackId: 1, timescale: 90_000, decoderConfig: AVC_CONFIG, width: 320, height: 180 },
    }),
    START_TICKS,
    3600,
    8,
  ),
  outputOf(
    marshalInitSegment({
      ...{ kind: 'audio', trackId: 1, timescale: 48_000, decoderConfig: Buffer.from([0x11, 0x90]) },
      ...{ sampleRate: 48_000, channelCount: 2 },
    }),
    Math.floor((START_TICKS * 8) / 15 / 1024 - 2) * 1024,
    1024,
    16,
  ),
] as const;

/** Reads bytes of one output in pieces; returns what was made of them and what was found wrong. */
function read(index: 0 | 1, bytes: Buffer, cuts: readonly number[] = []) {
  const encoded = lanes.map(
    (lane) => new EncodedLane(lane, grid, { presentation: presentationOf(), isHeld: false }),
  );
  const seen = { headers: 0, parts: 0, partBytes: 0, invalid: [] as string[] };
  const output = new TranscoderOutput(2, {
    onHeader: (at, header) => {
      const lane = lanes[at];
      if (lane !== undefined) encodedInit(lane.rendition, header);
      seen.headers += 1;
    },
    onSample: (at, sample) => {
      for (const part of encoded[at]?.push(sample).parts ?? []) {
        seen.parts += 1;
        seen.partBytes += part.data.length;
      }
    },
    onInvalidOutput: (_, detail) => void seen.invalid.push(detail),
  });
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  for (const [at, end] of [...places, bytes.length].entries())
    output.push(index, bytes.subarray(places[at - 1] ?? 0, end));
  return seen;
}

describe('the output of ffmpeg', () => {
  test.each([0, 1] as const)('of pipe %i is read as it is, however it is cut', (index) => {
    const whole = read(index, OUTPUTS[index]);
    expect(whole).toMatchObject({ headers: 1, parts: 1, invalid: [] });
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (cuts) => {
        expect(read(index, OUTPUTS[index], cuts)).toEqual(whole);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test.each([0, 1] as const)('of pipe %i, damaged, gives a named error or less than it was', (index) => {
    const tally = { invalid: 0, valid: 0 };
    fuzz((random) => {
      const bytes = mutate(OUTPUTS[index], random);
      const { invalid, partBytes } = read(index, bytes, [random(bytes.length + 1)]);
      if (partBytes > 2 * bytes.length)
        throw new Error(`${partBytes} bytes of parts: ${bytes.toString('hex')}`);
      checkNamed(invalid, bytes, /^(ParseError|OutputAssertionError): /);
      if (invalid.length > 0) tally.invalid += 1;
      else tally.valid += 1;
    });
    expect(tally.invalid).toBeGreaterThan(tally.valid / 10);
    expect(tally.valid).toBeGreaterThan(0);
  });

  test('that is no output at all gives a named error, once', () => {
    fuzz((random) => {
      const bytes = Buffer.from(Uint8Array.from({ length: random(64) }, () => random(256)));
      checkNamed(read(0, bytes, [random(64)]).invalid, bytes, /^ParseError: /);
    });
  });
});

/** `expect` for each of so many inputs would cost more than what it looks at. */
function checkNamed(invalid: readonly string[], bytes: Buffer, name: RegExp): void {
  if (invalid.length > 1 || invalid.some((detail) => !name.test(detail)))
    throw new Error(`${invalid.join('; ')}: ${bytes.toString('hex')}`);
}
