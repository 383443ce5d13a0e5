import { z } from 'zod';
import type { session } from '@millrace/contracts';
import { parseRational } from './rational.ts';

/** A name that goes into URLs, keys and labels: lower case, digits and hyphens, at most 63 characters. */
export const nameSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must match [a-z0-9][a-z0-9-]{0,62}');

const MAX_RUNGS = 8;
const even = (max: number): z.ZodNumber => z.number().int().min(16).max(max).multipleOf(2);

const encodedRungSchema = z
  .object({
    name: nameSchema.refine(
      (name) => name !== 'source' && name !== 'audio',
      '`source` and `audio` are reserved',
    ),
    width: even(7680),
    height: even(4320),
    bitrateBps: z.number().int().min(50_000).max(100_000_000),
    maxFrameRate: z
      .union([z.number(), z.string().max(16)])
      .refine((value) => parseRational(value) !== undefined, 'must be frames per second: 30 or "30000/1001"')
      .optional(),
  })
  .strict();

/** A rung as people write it: `source`, or a frame with a rate. */
const rungSchema = z.union([z.literal('source'), encodedRungSchema]);

/** A rung as people write it. */
export type RungSettings = z.infer<typeof rungSchema>;

/** A ladder as people write it: 1 to 8 rungs with different names, at most one of them `source`. */
export const rungsSchema = z
  .array(rungSchema)
  .min(1)
  .max(MAX_RUNGS)
  .refine((rungs) => new Set(rungs.map(rungName)).size === rungs.length, 'rung names must differ');

/** The name of the ladder that a channel has unless it names another. */
export const DEFAULT_LADDER_NAME = 'default';

/** 720p, 480p and 360p. */
export const DEFAULT_RUNGS: readonly RungSettings[] = [
  { name: '720p', width: 1280, height: 720, bitrateBps: 2_800_000 },
  { name: '480p', width: 854, height: 480, bitrateBps: 1_200_000 },
  { name: '360p', width: 640, height: 360, bitrateBps: 700_000 },
];

/** A ladder that channels refer to by name. */
export interface Ladder {
  readonly name: string;
  readonly rungs: readonly RungSettings[];
  readonly updatedAtMs: number;
}

function rungName(rung: RungSettings): string {
  return rung === 'source' ? rung : rung.name;
}

/** Turns rungs into the live path's form, best first: `source`, then by falling rate. */
export function toRungs(rungs: readonly RungSettings[]): session.Rung[] {
  const best = (rung: RungSettings): number => (rung === 'source' ? Infinity : rung.bitrateBps);
  return rungs
    .toSorted((a, b) => (best(a) === best(b) ? 0 : best(b) - best(a)))
    .map((rung) => {
      if (rung === 'source') {
        return {
          name: 'source',
          isSource: true,
          width: 0,
          height: 0,
          bitrateBps: 0,
          maxFrameRate: undefined,
        };
      }
      const { name, width, height, bitrateBps, maxFrameRate: cap } = rung;
      const maxFrameRate = cap === undefined ? undefined : parseRational(cap);
      return { name, isSource: false, width, height, bitrateBps, maxFrameRate };
    });
}
