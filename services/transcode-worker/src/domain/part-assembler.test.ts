import { expect, test } from '@jest/globals';
import type { MediaSample } from './media-sample.ts';
import { PartAssembler } from './part-assembler.ts';
import { PartGrid } from './part-grid.ts';

const grid = new PartGrid({ numerator: 2, denominator: 1 }, { numerator: 1, denominator: 2 });

function assembler(timescale: number, first = { k: 100, part: 0 }) {
  return new PartAssembler({
    grid,
    timescale,
    first,
    marshal: (_, samples) => Buffer.from(samples.map(({ dts }) => String(dts)).join(',')),
  });
}

function sample(dts: number, duration: number, isSync = false): MediaSample {
  return { dts, duration, compositionOffset: 0, isSync, data: new Uint8Array(1) };
}

test('a part is complete with the sample that reaches its end, without waiting for the next one', () => {
  const parts = assembler(90_000);
  const start = 100 * 180_000;
  let completed = 0;
  for (let index = 0; index < 12; index += 1) {
    const [part] = parts.push(sample(start + index * 3750, 3750, index === 0));
    if (part === undefined) continue;
    completed += 1;
    expect(index).toBe(11);
    expect(part).toMatchObject({
      position: { k: 100, part: 0 },
      baseMediaDecodeTime: start,
      durationTicks: 45_000,
      isIndependent: true,
    });
  }
  expect(completed).toBe(1);
});

test('a sample up to half a millisecond before a boundary belongs behind it', () => {
  const parts = assembler(90_000, { k: 100, part: 1 });
  const boundary = 100 * 180_000 + 45_000;
  expect(parts.push(sample(boundary - 46, 1))).toEqual([]);
  parts.push(sample(boundary - 45, 3000));
  expect(parts.flush()[0]).toMatchObject({
    position: { k: 100, part: 1 },
    baseMediaDecodeTime: boundary - 45,
  });
});

test('audio before the first part, such as priming, is dropped', () => {
  const parts = assembler(48_000);
  const start = 100 * 96_000;
  expect(parts.push(sample(start - 1024, 1024))).toEqual([]);
  expect(parts.flush()).toEqual([]);
});

test('a part whose last sample ends early is complete when the next part begins', () => {
  const parts = assembler(90_000);
  const start = 100 * 180_000;
  parts.push(sample(start, 3000, true));
  const [early, ...rest] = parts.push(sample(start + 90_000, 45_000));
  expect(early?.position).toEqual({ k: 100, part: 0 });
  expect(rest.map(({ position }) => position)).toEqual([{ k: 100, part: 2 }]);
});
