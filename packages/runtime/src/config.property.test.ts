import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { z } from 'zod';
import { ConfigError, loadConfig } from './config.ts';

const NUM_RUNS = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 1000);

const schema = z.object({
  rtmp: z
    .object({
      port: z.number().int().min(0).max(65_535).default(1935),
      apps: z.array(z.string().min(1)).min(1).max(4).default(['live']),
      limits: z.object({ maxConnections: z.number().int().min(1).default(100) }).prefault({}),
      isOpen: z.boolean().default(false),
    })
    .prefault({}),
  mode: z.enum(['one', 'two']).default('one'),
  adminToken: z.string().min(8).max(64).meta({ secret: true }).optional(),
  brokers: z.string().meta({ alias: 'KAFKA_BROKERS' }).optional(),
});

/** As `openssl rand -base64` writes them. */
const SECRET = 'dGhpcw/aXMrdGhl+c2VjcmV0';
const VALID = `# all of it
rtmp: &rtmp
  port: 1936
  apps: [live, "show"]
  limits: { maxConnections: 7 }
  isOpen: true
mode: two
adminToken: ${SECRET}
`;
const FRAGMENTS = [
  ...['&a ', '*a', '*rtmp', '<<: *rtmp\n', '!!binary ', '!!omap ', '!!set ', '!!int ', '!foo ', '!!merge '],
  ...['- ', '{', '}', '[', ']', ': ', ',', '|', '>', '"', "'", '\n', '\t', '---\n', '...\n', '%TAG ! !\n'],
  ...['#', '~', '.inf', '.nan', '-0', '0x', '1e400', '\u0000', '\ufeff', '? ', '__proto__: {port: 1}\n'],
  ...['constructor', 'toString: 1\n', 'port', 'rtmp', 'limits'],
];

const directory = tmpdir();
/** A file that no disk has: writing one for each input would take most of the time. */
const path = '/nowhere/config.yaml';

/** The files as they are, and one more. */
function withFile(text: string): (name: string) => string {
  return (name) => (name === path ? text : readFileSync(name, 'utf8'));
}

const outcomes = { accepted: 0, refused: 0 };
afterEach(() => {
  // Both happen, or the inputs test nothing.
  expect(outcomes.accepted).toBeGreaterThan(NUM_RUNS / 100);
  expect(outcomes.refused).toBeGreaterThan(NUM_RUNS / 100);
  Object.assign(outcomes, { accepted: 0, refused: 0 });
});

/** Only `ConfigError` comes out, with a problem in each line of it, or a configuration that the schema takes. */
function load(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readText: (path: string) => string,
): void {
  try {
    const config = loadConfig(schema, { service: 'test', argv, env, readText });
    outcomes.accepted += 1;
    if (!isDeepStrictEqual(schema.safeParse(config), { success: true, data: config }))
      throw new Error('a configuration that the schema does not take');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    outcomes.refused += 1;
    // Matchers would take a third of the time.
    const { problems, message } = error;
    if (problems.length === 0 || problems.some((problem) => problem.trim() === ''))
      throw new Error('a refusal that does not say why', { cause: error });
    if (message.includes(SECRET)) throw new Error('a refusal that quotes the secret', { cause: error });
  }
}

/** A valid file with a few pieces cut out, put in or doubled. */
const mutatedYaml = fc
  .array(
    fc.tuple(
      fc.nat(VALID.length),
      fc.nat(8),
      fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ maxLength: 6 })),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((edits) =>
    edits.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), VALID),
  );
const randomYaml = fc
  .array(fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ maxLength: 8 })), { maxLength: 30 })
  .map((parts) => parts.join(''));

const NAMES = ['rtmp.port', 'rtmp.apps', 'rtmp.limits.maxConnections', 'rtmp.isOpen', 'mode', 'adminToken'];
const WORDS = [
  '--config',
  '--',
  '--=',
  '-',
  '--rtmp',
  '--rtmp.',
  '--__proto__',
  '--rtmp.__proto__.port',
  path,
];
const values = fc.oneof(
  fc.constantFrom('1', '65536', '-1', '1e3', '0x10', ' ', '', 'NaN', 'Infinity', 'true', 'false', 'one'),
  fc.constantFrom(',', 'a,b', 'a,,b', 'long-enough-token', '--mode', '\u0000', directory, path),
  fc.string({ maxLength: 10 }),
);
const flags = fc
  .array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc
          .tuple(fc.constantFrom(...NAMES, 'config'), values, fc.boolean())
          .map(([name, value, isInline]) =>
            isInline ? [`--${name}=${value}`] : [`--${name}`, ...(value === '' ? [] : [value])],
          ),
      },
      fc.oneof(fc.constantFrom(...WORDS), values).map((word) => [word]),
    ),
    { maxLength: 4 },
  )
  .map((parts) => parts.flat());

const VARIABLES = [
  ...NAMES.map((name) => `MILLRACE_${name.replaceAll('.', '_').replaceAll(/([a-z])([A-Z])/g, '$1_$2')}`),
  ...['MILLRACE_CONFIG', 'MILLRACE_ADMIN_TOKEN_FILE', 'MILLRACE_MODE_FILE', 'KAFKA_BROKERS', 'MILLRACE_'],
].map((name) => name.toUpperCase());
const environment = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom(...VARIABLES), fc.string({ maxLength: 8 })), values), {
    maxLength: 4,
  })
  .map((entries) => Object.fromEntries(entries));

describe('configuration, hostile', () => {
  test('random and mutated files give a configuration or ConfigError, which quotes nothing of them', () => {
    fc.assert(
      fc.property(fc.oneof(mutatedYaml, randomYaml), (text) => {
        load(['--config', path], {}, withFile(text));
      }),
      { numRuns: NUM_RUNS, seed: 1 },
    );
  });

  test('random flags and environments give a configuration or ConfigError', () => {
    const readText = withFile(VALID);
    fc.assert(
      fc.property(flags, environment, (argv, env) => load(argv, env, readText)),
      { numRuns: NUM_RUNS, seed: 1 },
    );
  });
});
