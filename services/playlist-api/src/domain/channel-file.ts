import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { channelSettingsSchema } from './channel.ts';
import { nameSchema, rungsSchema } from './ladder.ts';
import { hashStreamKey } from './stream-key.ts';

/** Largest file that is read. */
const MAX_CHANNEL_FILE_BYTES = 1024 * 1024;
const MAX_ALIASES = 100;
const MAX_PROBLEMS = 50;

const keySchema = z
  .object({
    name: nameSchema,
    key: z
      .string()
      .min(16)
      .max(256)
      .regex(/^[\w.~-]+$/, 'may hold letters, digits and . _ ~ - only')
      .optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
      .optional(),
    role: z.enum(['primary', 'backup']).default('primary'),
  })
  .strict()
  .refine(({ key, sha256 }) => (key === undefined) !== (sha256 === undefined), 'needs either key or sha256');

const fileSchema = z
  .object({
    ladders: z.record(nameSchema, rungsSchema).default({}),
    channels: z
      .record(
        nameSchema,
        z
          .object({
            settings: channelSettingsSchema.prefault({}),
            streamKeys: z.array(keySchema).max(16).default([]),
          })
          .strict(),
      )
      .default({}),
  })
  .strict();

/** What a channel file declares; keys are hashed already. */
export interface ChannelDeclarations {
  readonly ladders: ReadonlyMap<string, z.infer<typeof rungsSchema>>;
  readonly channels: ReadonlyMap<string, DeclaredChannel>;
}

/** A channel of a file. */
interface DeclaredChannel {
  readonly settings: z.infer<typeof channelSettingsSchema>;
  readonly streamKeys: readonly {
    readonly name: string;
    readonly sha256: string;
    readonly role: 'primary' | 'backup';
  }[];
}

/** What a channel file is refused with: every problem, none of the file's values. */
export interface ChannelFileProblems {
  readonly problems: readonly string[];
}

/**
 * Reads a channel file (YAML 1.2, at most 1 MiB, 100 aliases): `ladders: {name: rungs}`, `channels: {name: {settings,
 * streamKeys}}`.
 *
 * Returns the problems instead of throwing; a problem names its place and never a value, since values may be keys.
 */
export function parseChannelFile(text: string): ChannelDeclarations | ChannelFileProblems {
  if (Buffer.byteLength(text) > MAX_CHANNEL_FILE_BYTES) {
    return { problems: [`the file is larger than ${MAX_CHANNEL_FILE_BYTES} bytes`] };
  }
  const read = readYaml(text);
  if ('problems' in read) return read;
  const result = fileSchema.safeParse(read.value ?? {});
  if (!result.success) {
    return {
      problems: result.error.issues
        .slice(0, MAX_PROBLEMS)
        .map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`),
    };
  }
  return declarationsOf(result.data);
}

function readYaml(text: string): { readonly value: unknown } | ChannelFileProblems {
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: 'silent',
      // A set or an ordered map in place of a section would be no settings at all; as unknown tags they are named.
      resolveKnownTags: false,
    });
    const errors = [...document.errors, ...document.warnings];
    if (errors.length > 0) {
      return {
        problems: errors.slice(0, MAX_PROBLEMS).map((error) => {
          const { line, col } = lines.linePos(error.pos[0]);
          return `line ${line}, column ${col}: not YAML (${error.code})`;
        }),
      };
    }
    return { value: document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown };
  } catch {
    // Deep nesting and alias bombs end here; the library's message could quote the file.
    return { problems: ['the file cannot be read as YAML: nested too deep, or too many aliases'] };
  }
}

function declarationsOf(file: z.infer<typeof fileSchema>): ChannelDeclarations | ChannelFileProblems {
  const problems: string[] = [];
  const owners = new Map<string, string>();
  const channels = new Map<string, DeclaredChannel>();
  for (const [name, { settings, streamKeys }] of Object.entries(file.channels)) {
    const names = new Set<string>();
    const keys = streamKeys.map(({ name: keyName, key, sha256, role }) => {
      const hash = sha256 ?? hashStreamKey(key ?? '');
      const owner = owners.get(hash);
      if (owner !== undefined)
        problems.push(`channels.${name}.streamKeys: ${keyName} is the same key as ${owner}`);
      if (names.has(keyName)) problems.push(`channels.${name}.streamKeys: two keys are named ${keyName}`);
      names.add(keyName);
      owners.set(hash, `${name}/${keyName}`);
      return { name: keyName, sha256: hash, role };
    });
    channels.set(name, { settings, streamKeys: keys });
  }
  if (problems.length > 0) return { problems: problems.slice(0, MAX_PROBLEMS) };
  return { ladders: new Map(Object.entries(file.ladders)), channels };
}

/** Joins the declarations of several files; a name may be declared once. Problems are prefixed with their file. */
export function mergeDeclarations(
  files: readonly { readonly path: string; readonly result: ChannelDeclarations | ChannelFileProblems }[],
): ChannelDeclarations | ChannelFileProblems {
  const problems: string[] = [];
  const ladders = new Map<string, z.infer<typeof rungsSchema>>();
  const channels = new Map<string, DeclaredChannel>();
  const hashes = new Set<string>();
  for (const { path, result } of files) {
    if ('problems' in result) {
      problems.push(...result.problems.map((problem) => `${path}: ${problem}`));
      continue;
    }
    for (const [name, rungs] of result.ladders) {
      if (ladders.has(name)) problems.push(`${path}: ladder ${name} is declared in another file too`);
      ladders.set(name, rungs);
    }
    for (const [name, channel] of result.channels) {
      if (channels.has(name)) problems.push(`${path}: channel ${name} is declared in another file too`);
      channels.set(name, channel);
      for (const { name: keyName, sha256 } of channel.streamKeys) {
        if (hashes.has(sha256))
          problems.push(`${path}: stream key ${keyName} of ${name} is used in another file too`);
        hashes.add(sha256);
      }
    }
  }
  return problems.length > 0 ? { problems } : { ladders, channels };
}
