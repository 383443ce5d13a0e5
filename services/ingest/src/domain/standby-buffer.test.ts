import { describe, expect, test } from '@jest/globals';
import type { AudioConfig, VideoConfig, WireUnit } from '@millrace/media';
import { StandbyBuffer } from './standby-buffer.ts';

const VIDEO = { kind: 'video' } as VideoConfig;
const AUDIO = { kind: 'audio' } as AudioConfig;

function picture(isRandomAccess: boolean, bytes = 100): { readonly unit: WireUnit } {
  const data = new Uint8Array(bytes);
  return { unit: { kind: 'video', timestampMs: 0, compositionOffsetMs: 0, isRandomAccess, data } };
}

function frame(): { readonly unit: WireUnit } {
  return {
    unit: {
      kind: 'audio',
      timestampMs: 0,
      compositionOffsetMs: 0,
      isRandomAccess: true,
      data: new Uint8Array(10),
    },
  };
}

/** Pictures every 100 ms with an IDR every 2 s. */
function filled(seconds: number, bytes = 100): StandbyBuffer {
  const buffer = new StandbyBuffer(1e6);
  buffer.add({ config: VIDEO }, 0);
  for (let index = 0; index < seconds * 10; index += 1)
    buffer.add(picture(index % 20 === 0, bytes), index * 100);
  return buffer;
}

describe('what an encoder that stands by has sent', () => {
  test('begins with the configurations and the first IDR of the time that is wanted', () => {
    const taken = filled(7).take(3500, 4500);
    expect(taken[0]).toEqual({ result: { config: VIDEO }, arrivalMs: 4000 });
    expect(taken[1]).toMatchObject({ result: { unit: { isRandomAccess: true } }, arrivalMs: 4000 });
    expect(taken).toHaveLength(31);
  });

  test('... or else with the last IDR before', () => {
    expect(filled(7).take(4500, 5500)[0]?.arrivalMs).toBe(4000);
  });

  test('... or with the first there is, and never between two of them', () => {
    const buffer = new StandbyBuffer(1e6);
    buffer.add({ config: VIDEO }, 0);
    buffer.add(picture(false), 100);
    expect(buffer.take(0, 1000)).toEqual([{ result: { config: VIDEO }, arrivalMs: 1000 }]);
    buffer.add(picture(false), 200);
    buffer.add(picture(true), 5000);
    expect(buffer.take(0, 1000).map(({ arrivalMs }) => arrivalMs)).toEqual([5000, 5000]);
  });

  test('is given out once', () => {
    const buffer = filled(3);
    buffer.take(0, 1000);
    expect(buffer.bytes).toBe(0);
    expect(buffer.take(0, 1000)).toHaveLength(1);
  });

  test('holds the last seconds, from an IDR on, however long it stands by', () => {
    const buffer = filled(600);
    const oldest = buffer.take(0, 0)[0]?.arrivalMs ?? 0;
    expect(oldest).toBe(590_000);
  });

  test('keeps to its bytes: the oldest GOPs go, and all of one that is larger', () => {
    const buffer = new StandbyBuffer(100_000);
    buffer.add({ config: VIDEO }, 0);
    for (let index = 0; index < 200; index += 1) {
      buffer.add(picture(index % 20 === 0, 2000), index * 100);
      expect(buffer.bytes).toBeLessThanOrEqual(100_000);
    }
    expect(buffer.take(0, 0)[0]?.arrivalMs).toBe(16_000);
    buffer.add(picture(true, 99_000), 20_000);
    buffer.add(picture(false, 99_000), 20_100);
    expect(buffer.take(20_000, 20_000)).toHaveLength(1);
  });

  test('has the configurations that were in force where it begins', () => {
    const other = { ...VIDEO, width: 1 };
    const buffer = filled(3);
    buffer.add({ config: other }, 3000);
    buffer.add(picture(true), 4000);
    expect(buffer.take(4000, 4000).map(({ result }) => result.config)).toEqual([other, undefined]);
  });

  test('of audio alone begins anywhere', () => {
    const buffer = new StandbyBuffer(1e6);
    buffer.add({ config: AUDIO }, 0);
    for (let index = 0; index < 100; index += 1) buffer.add(frame(), index * 20);
    expect(
      buffer
        .take(1000, 2000)
        .map(({ arrivalMs }) => arrivalMs)
        .slice(0, 2),
    ).toEqual([1000, 1000]);
  });
});
