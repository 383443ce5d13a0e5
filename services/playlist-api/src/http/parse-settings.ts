import { channelSettingsSchema } from '../domain/channel.ts';
import type { ChannelSettings } from '../domain/channel.ts';
import { rungsSchema } from '../domain/ladder.ts';
import type { RungSettings } from '../domain/ladder.ts';
import { RequestProblem, settingsProblemOf } from './request-problem.ts';

/** Checks what the OpenAPI document cannot say, and fills in the defaults. Throws `RequestProblem`. */
export function parseSettings(value: unknown): ChannelSettings {
  const result = channelSettingsSchema.safeParse(value);
  if (!result.success) throw new RequestProblem(settingsProblemOf(result.error, 'settings'));
  return result.data;
}

/** As `parseSettings`, for the rungs of a ladder. */
export function parseRungs(value: unknown): readonly RungSettings[] {
  const result = rungsSchema.safeParse(value);
  if (!result.success) throw new RequestProblem(settingsProblemOf(result.error, 'rungs'));
  return result.data;
}
