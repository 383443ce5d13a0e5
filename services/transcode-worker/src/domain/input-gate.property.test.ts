import { expect, test } from '@jest/globals';
import type { relay } from '@millrace/contracts';
import { marshalFragment, parseFragment } from '@millrace/media';
import { fuzz, mutate } from '../testing/fuzz.ts';
import type { Random } from '../testing/fuzz.ts';
import { audioTrack, videoTrack } from '../testing/renditions.ts';
import { InputGate } from './input-gate.ts';
import type { InputFault } from './input-gate.ts';

const TRACKS = [videoTrack(), audioTrack()];

function fragmentOf(trackId: number, dts: number): relay.Fragment {
  const duration = trackId === 1 ? 3600 : 1024;
  const sample = { duration, compositionOffset: 0, isSync: true, data: Buffer.alloc(20, 5) };
  const data = marshalFragment({ trackId, baseMediaDecodeTime: dts, samples: [sample] }, 1);
  return {
    ...{ trackId, dts, duration, compositionOffset: 0, isRandomAccess: true, isFiller: false },
    data,
  };
}

const ODD_NUMBERS = [-1, 0, 0.5, 1, 2 ** 31, 2 ** 32, 2 ** 52, 2 ** 53 - 1, 2 ** 53, Number.NaN, Infinity];

function damaged(fragment: relay.Fragment, random: Random): relay.Fragment {
  const odd = ODD_NUMBERS[random(ODD_NUMBERS.length)] ?? 0;
  switch (random(7)) {
    case 0:
      return { ...fragment, dts: odd };
    case 1:
      return { ...fragment, duration: odd };
    case 2:
      return { ...fragment, compositionOffset: random(2) === 0 ? odd : -odd };
    case 3:
      return { ...fragment, trackId: random(5) };
    case 4:
      return { ...fragment, data: Buffer.from(Uint8Array.from({ length: random(100) }, () => random(256))) };
    default:
      return { ...fragment, data: mutate(fragment.data, random) };
  }
}

test('what is whole passes, in its order', () => {
  const faults: InputFault[] = [];
  const gate = new InputGate(TRACKS, (fault) => void faults.push(fault));
  const fragments = [fragmentOf(1, 0), fragmentOf(2, 0), fragmentOf(1, 3600), fragmentOf(2, 1024)];
  expect(gate.take(fragments)).toEqual(fragments);
  expect(faults).toEqual([]);
});

test('whatever comes, what passes is one sample of its track with rising decode times, and the rest is told of', () => {
  let passed = 0;
  let left = 0;
  fuzz((random) => {
    let faults = 0;
    const gate = new InputGate(TRACKS, () => void (faults += 1));
    const sent = Array.from({ length: 1 + random(5) }, () => {
      const dts = random(4) === 0 ? random(2 ** 31) * 2 ** 21 : random(1_000_000);
      const fragment = fragmentOf(1 + random(2), dts);
      return random(2) === 0 ? fragment : damaged(fragment, random);
    });
    const taken = gate.take(sent);
    if (taken.length + faults !== sent.length) throw new Error('something went without a word');
    const newest = new Map<number, number>();
    for (const fragment of taken) {
      const { trackId, dts, duration, compositionOffset, data } = fragment;
      const ticks = [dts, dts + duration, dts + compositionOffset];
      const isSound =
        dts > (newest.get(trackId) ?? -1) &&
        ticks.every((value) => Number.isSafeInteger(value) && value >= 0) &&
        TRACKS.some((track) => track.trackId === trackId) &&
        parseFragment(data).samples.length === 1;
      if (!isSound) throw new Error(JSON.stringify({ ...fragment, data: data.toString('hex') }));
      newest.set(trackId, dts);
    }
    passed += taken.length;
    left += faults;
  });
  expect(passed).toBeGreaterThan(0);
  expect(left).toBeGreaterThan(0);
});
