import type { WorkerConfig } from '../config.ts';
import type { X264Preset } from './ffmpeg-arguments.ts';

/**
 * Units that one CPU bears, by the preset of x264, with a quarter of it left for busy scenes; measured by
 * `bench/session-units.ts`.
 */
const UNITS_PER_CPU: Readonly<Record<X264Preset, number>> = {
  ultrafast: 5.5,
  superfast: 4.5,
  veryfast: 3.4,
  faster: 2.6,
  fast: 2,
  medium: 1.7,
};

/** What a worker bears, in units (`unitsOf`): as it is set, or what its CPUs bear with its preset. */
export function capacityUnitsOf(
  { capacityUnits, ffmpeg }: Pick<WorkerConfig, 'capacityUnits' | 'ffmpeg'>,
  cpus: number,
): number {
  return capacityUnits ?? UNITS_PER_CPU[ffmpeg.x264Preset] * cpus;
}
