import { describe, expect, test } from '@jest/globals';
import { FragmentReader } from '@millrace/media';
import { audioRendition, videoRendition } from '../testing/renditions.ts';
import { BoundedAssembler } from './bounded-assembler.ts';
import type { LaneOutput } from './lane-output.ts';
import type { MediaSample } from './media-sample.ts';
import { PartGrid } from './part-grid.ts';

const grid = new PartGrid({ numerator: 2, denominator: 1 }, { numerator: 1, denominator: 2 });
const presentation = { partTargetUs: 520_000, targetDurationSeconds: 2 };
const FRAME = 3600;
const START = 50 * 180_000;

function videoAssembler(first = { k: 50, part: 0 }): BoundedAssembler {
  const lane = { rendition: videoRendition({ isPassthrough: true }), first, firstTicks: undefined };
  return new BoundedAssembler(lane, grid, { presentation, isGapSegment: false });
}

/** 25 fps with an IDR at every segment's start; frames for which `isDropped` holds (seconds from the start) never came. */
function run(
  assembler: BoundedAssembler,
  seconds: number,
  isDropped: (seconds: number) => boolean,
): readonly LaneOutput[] {
  const samples: MediaSample[] = [];
  for (let frame = 0; frame < seconds * 25; frame += 1) {
    if (isDropped(frame / 25)) continue;
    const dts = START + frame * FRAME;
    samples.push({ dts, duration: FRAME, compositionOffset: 0, isSync: frame % 50 === 0, data: DATA });
  }
  return samples.map((sample, index) => {
    const next = samples[index + 1];
    return assembler.push(next === undefined ? sample : { ...sample, duration: next.dts - sample.dts });
  });
}

const DATA = new Uint8Array(1);

/** Parts as segment.part=ticks, a gap as `until segment.part`, a lost segment with its cause. */
function said(outputs: readonly LaneOutput[]): readonly string[] {
  return outputs.flatMap(({ parts, gapUntil, lost }) => [
    ...parts.map(({ position: { k, part }, durationTicks }) => `${k}.${part}=${durationTicks}`),
    ...(lost === undefined ? [] : [`lost ${lost.k}: ${lost.cause}`]),
    ...(gapUntil === undefined ? [] : [`until ${gapUntil.k}.${gapUntil.part}`]),
  ]);
}

/** The same without what repeats. */
function saidOnce(outputs: readonly LaneOutput[]): readonly string[] {
  return said(outputs).filter((text, index, all) => text !== all[index - 1]);
}

describe('video', () => {
  test('frames that all came make the parts of the grid', () => {
    expect(said(run(videoAssembler(), 4, () => false))).toEqual(
      [50, 51].flatMap((k) => [0, 1, 2, 3].map((part) => `${k}.${part}=${part % 2 === 0 ? 46_800 : 43_200}`)),
    );
  });

  test('a hole over a segment end makes gaps of both segments, and the next one with an IDR is whole', () => {
    const outputs = run(videoAssembler(), 6, (at) => at >= 1.2 && at < 2.7);
    expect(saidOnce(outputs)).toEqual([
      ...['50.0=46800', '50.1=43200', '50.2=45000', 'lost 50: hole', 'until 51.1'],
      ...['lost 51: hole', 'until 51.1', 'until 51.2', 'until 51.3'],
      ...['52.0=46800', '52.1=43200', '52.2=46800', '52.3=43200'],
    ]);
  });

  test('a hole that begins in the last part leaves that segment whole', () => {
    const outputs = run(videoAssembler(), 6, (at) => at >= 1.8 && at < 2.2);
    expect(saidOnce(outputs)).toEqual([
      ...['50.0=46800', '50.1=43200', '50.2=46800', '50.3=43200', 'until 51.0'],
      ...['lost 51: hole', 'until 51.0', 'until 51.1', 'until 51.2', 'until 51.3'],
      ...['52.0=46800', '52.1=43200', '52.2=46800', '52.3=43200'],
    ]);
  });

  test('a hole that ends with an IDR at a segment start costs no more than where it was', () => {
    const outputs = run(videoAssembler(), 6, (at) => at >= 1.8 && at < 4);
    expect(saidOnce(outputs)).toEqual([
      ...['50.0=46800', '50.1=43200', '50.2=46800', '50.3=43200', 'until 52.0'],
      ...['52.0=46800', '52.1=43200', '52.2=46800', '52.3=43200'],
    ]);
  });

  test('an IDR that comes well after its segment start, after a hole, does not make a segment that lacks its beginning', () => {
    const assembler = videoAssembler();
    const at = (seconds: number, duration: number): LaneOutput =>
      assembler.push({
        dts: START + seconds * 90_000,
        duration: duration * 90_000,
        compositionOffset: 0,
        isSync: true,
        data: DATA,
      });
    expect(said([at(0, 2.4), at(2.4, 1.6), at(4, 0.5)])).toEqual([
      ...['50.0=45000', 'lost 50: hole', 'until 51.0'],
      ...['lost 51: hole', 'until 51.0'],
      '52.0=45000',
    ]);
  });

  test('one frame that is missing at a part end is no hole: the next one is decoded in its place and shown in its own', () => {
    const outputs = run(videoAssembler(), 2, (at) => at === 0.52);
    expect(said(outputs)).toEqual(['50.0=45000', '50.1=45000', '50.2=46800', '50.3=43200']);
    const [first, second] = outputs.flatMap(({ parts }) => parts).map(({ data }) => samplesOf(data));
    expect(first?.at(-1)).toEqual({ pts: START + 12 * FRAME, dts: START + 12 * FRAME, duration: 1800 });
    expect(second?.[0]).toEqual({ pts: START + 14 * FRAME, dts: START + 45_000, duration: 5400 + FRAME });
  });

  test('whoever goes on behind a hole finds the same gap', () => {
    const outputs = run(videoAssembler({ k: 50, part: 3 }), 6, (at) => at >= 1.2 && at < 1.7);
    expect(saidOnce(outputs)).toEqual([
      'until 50.3',
      ...[51, 52].flatMap((k) =>
        [0, 1, 2, 3].map((part) => `${k}.${part}=${part % 2 === 0 ? 46_800 : 43_200}`),
      ),
    ]);
  });
});

test('audio that pauses makes gaps until the next segment', () => {
  const lane = {
    rendition: audioRendition({ isPassthrough: true }),
    first: { k: 50, part: 0 },
    firstTicks: undefined,
  };
  const assembler = new BoundedAssembler(lane, grid, { presentation, isGapSegment: false });
  const frames = Array.from({ length: 300 }, (_, index) => Math.ceil((50 * 96_000) / 1024) + index).filter(
    (frame) => frame * 1024 < 50 * 96_000 + 52_000 || frame * 1024 > 50 * 96_000 + 106_000,
  );
  const outputs = frames.map((frame, index) =>
    assembler.push({
      dts: frame * 1024,
      duration: ((frames[index + 1] ?? frame + 1) - frame) * 1024,
      compositionOffset: 0,
      isSync: true,
      data: DATA,
    }),
  );
  const text = saidOnce(outputs);
  expect(text.filter((line) => !line.includes('='))).toEqual([
    ...[
      'lost 50: hole',
      'until 51.0',
      'lost 51: hole',
      'until 51.0',
      'until 51.1',
      'until 51.2',
      'until 51.3',
    ],
  ]);
  expect(text.filter((line) => line.startsWith('51'))).toEqual([]);
  expect(text.filter((line) => line.startsWith('52'))).toHaveLength(4);
});

function samplesOf(data: Buffer): { pts: number; dts: number; duration: number }[] {
  return [...new FragmentReader().push(data)].flatMap((event) => {
    if (event.kind !== 'fragment') return [];
    let dts = event.fragment.baseMediaDecodeTime;
    return event.fragment.samples.map(({ duration, compositionOffset }) => {
      const sample = { pts: dts + compositionOffset, dts, duration };
      dts += duration;
      return sample;
    });
  });
}
