import { z } from 'zod';
import { session } from '@millrace/contracts';
import { compareRationals } from '@millrace/media';
import { DEFAULT_LADDER_NAME, nameSchema, rungsSchema, toRungs } from './ladder.ts';
import type { Ladder, RungSettings } from './ladder.ts';
import { parseRational } from './rational.ts';

const AUDIO_BITRATE_BPS = 128_000;

const seconds = (what: string): z.ZodType<number | string> =>
  z
    .union([z.number(), z.string().max(16)])
    .refine(
      (value) => parseRational(value) !== undefined,
      `must be ${what} in seconds: 2, 0.5 or "1001/500"`,
    );

/** What a person sets for a channel; every field has a default. SEG at least 1 s, PT at most SEG. */
export const channelSettingsSchema = z
  .object({
    title: z.string().max(100).default('').describe('Shown to people in place of the name.'),
    isEnabled: z
      .boolean()
      .default(true)
      .describe('False refuses every encoder, and closes the one that publishes.'),
    ladder: z
      .union([nameSchema, rungsSchema])
      .default(DEFAULT_LADDER_NAME)
      .describe('Name of a ladder, or the rungs themselves.'),
    segmentDuration: z
      .union([z.literal('source'), seconds('SEG')])
      .default(2)
      .describe('SEG in seconds, 1 to 10; `source` takes it from the first two IDRs.'),
    partDuration: seconds('PT').default(1).describe('PT in seconds, 0.2 up to SEG.'),
    preset: z.enum(['low-latency', 'quality']).default('low-latency').describe('The x264 preset family.'),
    frameRate: z
      .enum(['constant', 'variable'])
      .default('constant')
      .describe("`variable` keeps the source's frame times in encoded rungs."),
    takeover: z
      .enum(['takeover', 'reject'])
      .default('takeover')
      .describe('What happens when a second encoder shows a right key.'),
    inputPreference: z
      .enum(['primary', 'equal'])
      .default('primary')
      .describe(
        'With a `primary` and a `backup` key: `primary` is on air whenever its encoder is there, `equal` leaves on air whoever is.',
      ),
    redundancy: z
      .enum(['none', 'hot'])
      .default('none')
      .describe('`hot`: a second worker encodes the same media and goes on where the first one stops.'),
    graceSeconds: z
      .number()
      .int()
      .min(0)
      .max(3600)
      .default(30)
      .describe('How long a session waits for its encoder.'),
    windowSegments: z.number().int().min(6).max(1800).default(6).describe('Segments in the live window.'),
  })
  .strict()
  .superRefine((settings, context) => {
    const problem = durationProblem(settings.segmentDuration, settings.partDuration);
    if (problem !== undefined) context.addIssue({ code: 'custom', ...problem });
  });

/** What a person sets for a channel. */
export type ChannelSettings = z.infer<typeof channelSettingsSchema>;

/** Who made a channel or a key, so that what came from a file goes when it leaves the file. */
export type Origin = 'api' | 'file';

/** A channel as it is stored. */
export interface StoredChannel {
  readonly name: string;
  readonly settings: ChannelSettings;
  readonly origin: Origin;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

function durationProblem(
  segment: number | string,
  part: number | string,
): { path: string[]; message: string } | undefined {
  const pt = parseRational(part);
  if (pt !== undefined && compareRationals(pt, { numerator: 1, denominator: 5 }) < 0) {
    return { path: ['partDuration'], message: 'must be at least 0.2' };
  }
  if (segment === 'source') return undefined;
  const seg = parseRational(segment);
  if (seg === undefined || pt === undefined) return undefined;
  if (seg.numerator < seg.denominator || seg.numerator > 10 * seg.denominator) {
    return { path: ['segmentDuration'], message: 'must be from 1 to 10' };
  }
  if (compareRationals(pt, seg) > 0)
    return { path: ['partDuration'], message: 'must not exceed segmentDuration' };
  return undefined;
}

/** Turns a stored channel into the live path's form; `ladder` is the one its settings name, if they name one. */
export function toChannel(channel: StoredChannel, ladder: Ladder | undefined): session.Channel {
  const { settings } = channel;
  const rungs: readonly RungSettings[] =
    typeof settings.ladder === 'string' ? (ladder?.rungs ?? []) : settings.ladder;
  const seg = settings.segmentDuration === 'source' ? undefined : parseRational(settings.segmentDuration);
  const pt = parseRational(settings.partDuration);
  return {
    name: channel.name,
    segmentDurationSeconds: seg,
    segmentFromSource: settings.segmentDuration === 'source',
    partDurationSeconds: pt,
    ladder: toRungs(rungs),
    preset: settings.preset === 'quality' ? session.Preset.QUALITY : session.Preset.LOW_LATENCY,
    isVariableFrameRate: settings.frameRate === 'variable',
    takeoverPolicy:
      settings.takeover === 'reject' ? session.TakeoverPolicy.REJECT : session.TakeoverPolicy.TAKEOVER,
    inputPreference:
      settings.inputPreference === 'equal' ? session.InputPreference.EQUAL : session.InputPreference.PRIMARY,
    redundancy: settings.redundancy === 'hot' ? session.Redundancy.HOT : session.Redundancy.NONE,
    graceSeconds: settings.graceSeconds,
    windowSegments: settings.windowSegments,
    audioBitrateBps: AUDIO_BITRATE_BPS,
  };
}
