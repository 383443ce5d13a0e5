import { z } from 'zod';

/** One value of a service's configuration, as a person sets it. */
export interface Setting {
  /** `rtmp.port`; also the flag, `--rtmp.port`. */
  readonly path: string;
  /** `MILLRACE_RTMP_PORT`. */
  readonly environment: string;
  /** The name that everyone else has for it, `KAFKA_BROKERS`; read when `environment` is not set. */
  readonly alias?: string;
  readonly type: 'string' | 'number' | 'boolean' | 'list';
  readonly description: string;
  /** The default as it is written in YAML; absent when a value is required. */
  readonly defaultText?: string;
  /** True for a value that can also come from a file and is never shown. */
  readonly isSecret: boolean;
}

/**
 * Lists every setting of a schema: the one source of flags, environment names, `--help` and the reference table.
 *
 * A field is a secret when its schema has `.meta({ secret: true })`, and has another environment name with `.meta({ alias })`. Arrays of objects are set in the file only.
 */
export function describeSettings(schema: z.ZodObject): readonly Setting[] {
  const settings: Setting[] = [];
  walk(jsonSchemaOf(schema), [], settings);
  return settings;
}

/** What a misspelt name looks like; a secret that a typing error made a name of does not. */
const NAME = /^\w[\w-]{0,39}$/;

/**
 * The paths of values that no section of the schema knows, at any depth; at most `max` of them. What cannot be anybody's
 * name for a setting is not quoted, since it can be the value, a secret, of another line.
 */
export function findUnknownPaths(
  schema: z.ZodObject,
  values: Readonly<Record<string, unknown>>,
  max: number,
): readonly string[] {
  const unknown: string[] = [];
  collectUnknown(jsonSchemaOf(schema), values, [], unknown);
  return unknown.slice(0, max);
}

function collectUnknown(
  { properties }: JsonSchema,
  value: unknown,
  path: readonly string[],
  unknown: string[],
): void {
  // The depth is that of the schema: what it does not know is not walked into, and may be a circle.
  if (properties === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    const field = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (field === undefined) unknown.push([...path, NAME.test(name) ? name : '(no name)'].join('.'));
    else collectUnknown(field, inner, [...path, name], unknown);
  }
}

/** Schemas never change, and making one costs as much as all the rest of reading a configuration. */
const jsonSchemas = new WeakMap<z.ZodObject, JsonSchema>();

function jsonSchemaOf(schema: z.ZodObject): JsonSchema {
  const known = jsonSchemas.get(schema);
  if (known !== undefined) return known;
  const made = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  jsonSchemas.set(schema, made);
  return made;
}

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly default?: unknown;
  readonly secret?: boolean;
  readonly alias?: string;
}

function walk(schema: JsonSchema, path: readonly string[], settings: Setting[]): void {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const fieldPath = [...path, name];
    if (field.properties !== undefined) {
      walk(field, fieldPath, settings);
      continue;
    }
    const type = typeOf(field);
    if (type === undefined) continue;
    settings.push({
      path: fieldPath.join('.'),
      environment: environmentName(fieldPath),
      type,
      description: describe(field),
      isSecret: field.secret === true,
      ...(field.alias === undefined ? {} : { alias: field.alias }),
      ...(field.default === undefined ? {} : { defaultText: JSON.stringify(field.default) }),
    });
  }
}

/** What it is for, and what may be chosen. */
function describe({ description = '', enum: choices = [] }: JsonSchema): string {
  const words = choices.map(String);
  if (words.every((word) => description.includes(`\`${word}\``))) return description;
  return `${description} One of ${words.map((word) => `\`${word}\``).join(', ')}.`.trim();
}

function typeOf(field: JsonSchema): Setting['type'] | undefined {
  switch (field.type) {
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'array':
      return field.items?.type === 'string' ? 'list' : undefined;
    case 'object':
      return undefined;
    default:
      return 'string';
  }
}

/** The environment variables that a setting is read from, the first that is set; a secret also from the files of the others. */
export function environmentNames(setting: Setting): {
  readonly values: readonly string[];
  readonly files: readonly string[];
} {
  const values = [setting.environment, ...(setting.alias === undefined ? [] : [setting.alias])];
  return { values, files: setting.isSecret ? values.map((name) => `${name}_FILE`) : [] };
}

/** `drain.gracePeriod` is `MILLRACE_DRAIN_GRACE_PERIOD`. */
function environmentName(path: readonly string[]): string {
  const words = path.map((name) => name.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2'));
  return ['MILLRACE', ...words].join('_').toUpperCase();
}

/** Prints everything there is to set, for `--help`. */
export function formatHelp(service: string, schema: z.ZodObject): string {
  const lines = describeSettings(schema).map((setting) => {
    const fallback = setting.defaultText === undefined ? 'no default' : `default ${setting.defaultText}`;
    const { values, files } = environmentNames(setting);
    return `  --${setting.path}  (${[...values, ...files].join(', ')})\n      ${setting.description} [${fallback}]`;
  });
  return [
    `${service}: settings come from flags, then the environment, then the YAML file, then defaults.`,
    '',
    '  --config  (MILLRACE_CONFIG)\n      YAML file with any of the settings below.',
    ...lines,
    '',
  ].join('\n');
}
