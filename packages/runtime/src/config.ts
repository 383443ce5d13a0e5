import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { describeSettings, environmentNames, findUnknownPaths } from './config-reference.ts';
import type { Setting } from './config-reference.ts';

/** A configuration that cannot be used: the message lists every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(service: string, problems: readonly string[]) {
    super([`${service}: the configuration has ${problems.length} problem(s):`, ...problems].join('\n  - '));
    this.problems = problems;
  }
}

/** Where a configuration comes from. */
export interface ConfigSources {
  readonly service: string;
  /** Arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads the files that the other two name; from the disk when absent. Throws for one that it cannot read. */
  readonly readText?: (path: string) => string;
}

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_ALIASES = 100;
/** What a person reads at once; a file that is no configuration at all has a problem in each line. */
const MAX_FILE_PROBLEMS = 50;

/**
 * Reads a service's configuration: flag before environment before file before default.
 *
 * `rtmp.port` is `--rtmp.port 1935`, `MILLRACE_RTMP_PORT` and `rtmp: { port: 1935 }` in the YAML file that `--config` or
 * `MILLRACE_CONFIG` names; a secret is also read from the file that `MILLRACE_<NAME>_FILE` names; what everyone has a name
 * for, such as `KAFKA_BROKERS`, is read from that too. Throws `ConfigError` with every problem at once.
 */
export function loadConfig<S extends z.ZodObject>(schema: S, sources: ConfigSources): z.infer<S> {
  const problems: string[] = [];
  const settings = describeSettings(schema);
  const flags = parseFlags(sources.argv, settings, problems);
  const readText = sources.readText ?? ((path: string) => readFileSync(path, 'utf8'));
  const values = readMapping(flags.get('config') ?? sources.env['MILLRACE_CONFIG'], readText, problems);
  for (const setting of settings) {
    const text = flags.get(setting.path) ?? fromEnvironment(setting, sources.env, readText, problems);
    if (text !== undefined) setPath(values, setting.path.split('.'), interpret(text, setting));
  }
  // At any depth: a misspelt setting that is passed over would be a default that nobody knows of.
  const unknown = findUnknownPaths(schema, values, MAX_FILE_PROBLEMS);
  problems.push(...unknown.map((path) => `${path}: no such setting; --help lists them`));
  // A section that nobody mentioned still has defaults inside.
  for (const setting of settings) ensureSections(values, setting.path.split('.').slice(0, -1));
  const result = schema.safeParse(values);
  if (!result.success) {
    for (const issue of result.error.issues) {
      const path = issue.path.join('.');
      const setting = settings.find((known) => known.path === path);
      problems.push(
        `${path === '' ? 'configuration' : path}: ${issue.message}${setting ? ` (${setting.environment})` : ''}`,
      );
    }
  }
  if (problems.length > 0 || !result.success) throw new ConfigError(sources.service, problems);
  return result.data;
}

function parseFlags(
  argv: readonly string[],
  settings: readonly Setting[],
  problems: string[],
): Map<string, string> {
  const flags = new Map<string, string>();
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? '';
    if (!argument.startsWith('--')) {
      problems.push(`${argument}: not understood; settings are given as --name value`);
      continue;
    }
    const [name = '', inline] = argument.slice(2).split(/=(.*)/s);
    const setting = settings.find((known) => known.path === name);
    const next = argv[index + 1];
    if (setting === undefined && name !== 'config') {
      problems.push(`--${name}: no such setting; --help lists them`);
      // Its value is no second problem.
      if (inline === undefined && next?.startsWith('--') === false) index += 1;
      continue;
    }
    if (inline !== undefined) flags.set(name, inline);
    else if (setting?.type === 'boolean' && (next === undefined || next.startsWith('--')))
      flags.set(name, 'true');
    else if (next === undefined) problems.push(`--${name}: needs a value`);
    else {
      flags.set(name, next);
      index += 1;
    }
  }
  return flags;
}

function readMapping(
  path: string | undefined,
  readText: (path: string) => string,
  problems: string[],
): Record<string, unknown> {
  if (path === undefined) return {};
  try {
    const text = readText(path);
    if (text.length > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
    return parseMapping(text);
  } catch (error) {
    problems.push(`${path}: cannot be read as YAML: ${(error as Error).message}`);
    return {};
  }
}

/** A document that is a mapping; of what it may hold nothing is quoted, since that can be a secret. */
function parseMapping(text: string): Record<string, unknown> {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'silent',
    // Sets, ordered maps and bytes are no settings; as unknown tags they are named.
    resolveKnownTags: false,
  });
  const [first] = [...document.errors, ...document.warnings];
  if (first !== undefined) {
    const { line, col } = lines.linePos(first.pos[0]);
    throw new Error(`line ${line}, column ${col} (${first.code})`);
  }
  const value = resolveAliases(document) ?? {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not a mapping');
  return value as Record<string, unknown>;
}

/** The values of a document. What the library says of an alias that it cannot resolve quotes its name. */
function resolveAliases(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw new Error(`an alias without its anchor, or more than ${MAX_ALIASES} of them`, { cause: error });
  }
}

function fromEnvironment(
  setting: Setting,
  env: Readonly<Record<string, string | undefined>>,
  readText: (path: string) => string,
  problems: string[],
): string | undefined {
  const names = environmentNames(setting);
  const value = names.values.map((name) => env[name]).find((text) => text !== undefined);
  if (value !== undefined) return value;
  const variable = names.files.find((name) => env[name] !== undefined);
  if (variable === undefined) return undefined;
  const path = env[variable] ?? '';
  try {
    return readText(path).trim();
  } catch (error) {
    problems.push(`${variable}: ${path} cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

/** Text from a flag or the environment becomes what the schema expects; the schema itself judges it. */
function interpret(text: string, setting: Setting): unknown {
  switch (setting.type) {
    case 'number':
      return text.trim() === '' ? text : Number(text);
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return text === '' ? [] : text.split(',').map((item) => item.trim());
    case 'string':
      return text;
  }
}

function setPath(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const last = path.at(-1) ?? '';
  ensureSections(target, path.slice(0, -1))[last] = value;
}

function ensureSections(target: Record<string, unknown>, path: readonly string[]): Record<string, unknown> {
  let section = target;
  for (const name of path) {
    const next = section[name];
    if (typeof next !== 'object' || next === null || Array.isArray(next)) {
      if (next !== undefined) return {};
      section[name] = {};
    }
    section = section[name] as Record<string, unknown>;
  }
  return section;
}
