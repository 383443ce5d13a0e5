import {
  adminListenerSchema,
  grpcClientSchema,
  logLevelSchema,
  platformSections,
  instanceNameSchema,
} from '@millrace/runtime';
import { z } from 'zod';
import { X264_PRESETS } from './domain/ffmpeg-arguments.ts';

/** Settings of the transcode worker. */
export const workerConfigSchema = z.object({
  instance: instanceNameSchema(
    'worker-1',
    'Name of this worker in leases, events and logs: no other worker may have it.',
  ),
  capacityUnits: z
    .number()
    .positive()
    .max(10_000)
    .optional()
    .describe(
      'Load that this worker takes at most, in units: one is 1280x720 at 30 fps by x264 veryfast. What its CPUs bear when it is not set.',
    ),
  ffmpeg: z
    .object({
      path: z.string().min(1).default('ffmpeg').describe('The ffmpeg to run: 5.1 or newer, with libx264.'),
      encoderThreads: z
        .number()
        .int()
        .positive()
        .max(64)
        .default(4)
        .describe('Threads of each x264; ffmpeg 5.1 encodes its rungs in turn, so fewer make it slower.'),
      x264Preset: z
        .enum(X264_PRESETS)
        .default('veryfast')
        .describe(
          'Preset of x264, the same in all workers: a faster one for small machines, with a worse picture.',
        ),
      maxQueuedBytes: z
        .number()
        .int()
        .positive()
        .default(16 * 1024 * 1024)
        .describe(
          'Input that may wait for a slow ffmpeg; beyond it the worker stops reading from the ring of ingest.',
        ),
    })
    .prefault({}),
  watchdog: z
    .object({
      stallMs: z
        .number()
        .int()
        .positive()
        .default(1000)
        .describe(
          'Silence of an output, in ms, while its input waits, after which ffmpeg is killed and started again.',
        ),
      startMs: z
        .number()
        .int()
        .positive()
        .default(5000)
        .describe('The same for the first output of a run, in ms.'),
    })
    .prefault({}),
  lateness: z
    .object({
      shedAboveSegments: z
        .number()
        .positive()
        .default(1)
        .describe('Output later than this many segment durations takes out the rung with the largest frame.'),
      restoreBelowSegments: z
        .number()
        .positive()
        .default(0.2)
        .describe('Output that stays below this many segment durations brings a rung back.'),
      restoreAfterSeconds: z
        .number()
        .positive()
        .default(30)
        .describe('How long it has to stay below, in seconds; doubled by each return that fails.'),
    })
    .prefault({}),
});

/** Settings of the transcode worker. */
export type WorkerConfig = z.infer<typeof workerConfigSchema>;

/** Settings of a worker that is a process of its own. */
export const workerServiceConfigSchema = workerConfigSchema.extend({
  admin: adminListenerSchema(9202),
  drain: z
    .object({
      gracePeriodSeconds: z
        .number()
        .positive()
        .default(30)
        .describe('How long a worker that is told to end (SIGTERM) waits for successors of its sessions.'),
    })
    .prefault({}),
  grpc: grpcClientSchema,
  ...platformSections,
  logLevel: logLevelSchema,
});

/** Settings of a worker that is a process of its own, as validated. */
export type WorkerServiceConfig = z.infer<typeof workerServiceConfigSchema>;
