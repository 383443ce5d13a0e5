import { z } from 'zod';
import { channelSettingsSchema } from '../domain/channel.ts';
import { nameSchema, rungsSchema } from '../domain/ladder.ts';

const origin = z.enum(['api', 'file']);

/** A channel as stores keep it in JSON. */
export const storedChannelSchema = z.object({
  name: nameSchema,
  settings: channelSettingsSchema,
  origin,
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
});

/** A stream key as stores keep it in JSON: its hash. */
export const storedStreamKeySchema = z.object({
  id: z.string(),
  channel: nameSchema,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  role: z.enum(['primary', 'backup']),
  label: z.string(),
  origin,
  createdAtMs: z.number(),
  expiresAtMs: z.number().exactOptional(),
});

/** A named ladder as stores keep it in JSON. */
export const storedLadderSchema = z.object({ name: nameSchema, rungs: rungsSchema, updatedAtMs: z.number() });
