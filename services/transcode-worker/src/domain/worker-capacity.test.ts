import { expect, test } from '@jest/globals';
import { workerConfigSchema } from '../config.ts';
import { X264_PRESETS } from './ffmpeg-arguments.ts';
import { capacityUnitsOf } from './worker-capacity.ts';

test('a worker bears what its CPUs do: more of them bear more, and a slower preset less', () => {
  const capacities = X264_PRESETS.map((x264Preset) =>
    capacityUnitsOf(workerConfigSchema.parse({ ffmpeg: { x264Preset } }), 2),
  );
  expect(capacities).toEqual(capacities.toSorted((a, b) => b - a));
  expect(new Set(capacities).size).toBe(X264_PRESETS.length);
  const config = workerConfigSchema.parse({});
  expect(capacityUnitsOf(config, 8)).toBe(4 * capacityUnitsOf(config, 2));
});

test('a capacity that is set is taken as it is', () => {
  expect(capacityUnitsOf(workerConfigSchema.parse({ capacityUnits: 2.5 }), 64)).toBe(2.5);
});
