import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { ConfigError, loadConfig } from './config.ts';
import { formatHelp } from './config-reference.ts';

const schema = z.object({
  rtmp: z.object({
    port: z.number().int().min(0).max(65_535).default(1935).describe('Port for encoders.'),
    connectionTimeoutMs: z.number().positive().default(30_000).describe('How long.'),
    apps: z.array(z.string()).default(['live']).describe('Application names.'),
    verbose: z.boolean().default(false).describe('More.'),
  }),
  adminToken: z.string().min(8).meta({ secret: true }).describe('Token of the API.').optional(),
});

const directory = mkdtempSync(join(tmpdir(), 'millrace-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

function load(argv: string[], env: Record<string, string> = {}): z.infer<typeof schema> {
  return loadConfig(schema, { service: 'test', argv, env });
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

describe('configuration', () => {
  test('defaults hold when nothing is set', () => {
    expect(load([]).rtmp).toEqual({
      port: 1935,
      connectionTimeoutMs: 30_000,
      apps: ['live'],
      verbose: false,
    });
  });

  test('flag before environment before file before default', () => {
    const path = file('order.yaml', 'rtmp: { port: 1, connectionTimeoutMs: 5, apps: [a] }');
    const config = load(['--config', path, '--rtmp.port=3'], {
      MILLRACE_RTMP_PORT: '2',
      MILLRACE_RTMP_CONNECTION_TIMEOUT_MS: '6',
    });
    expect(config.rtmp).toEqual({ port: 3, connectionTimeoutMs: 6, apps: ['a'], verbose: false });
  });

  test('lists, booleans and secrets from files', () => {
    const env = { MILLRACE_RTMP_APPS: 'live, show', MILLRACE_ADMIN_TOKEN_FILE: file('token', 'abcdefgh\n') };
    const config = load(['--rtmp.verbose'], env);
    expect(config.rtmp.apps).toEqual(['live', 'show']);
    expect(config.rtmp.verbose).toBe(true);
    expect(config.adminToken).toBe('abcdefgh');
  });

  test('every problem is in one message', () => {
    const path = file('wrong.yaml', 'rtmp: { port: 70000 }\nunknown: 1');
    expect.assertions(6);
    try {
      load(['--config', path, '--nonsense', 'x', '--rtmp.connectionTimeoutMs', 'soon']);
    } catch (error) {
      const text = (error as Error).message;
      expect(error).toBeInstanceOf(ConfigError);
      expect(text).toContain('rtmp.port');
      expect(text).toContain('unknown');
      expect(text).toContain('--nonsense');
      expect(text).toContain('rtmp.connectionTimeoutMs');
      expect((error as ConfigError).problems).toHaveLength(4);
    }
  });

  test.each([
    [['--nosuch', 'value'], ['--nosuch']],
    [
      ['--nosuch=value', 'word'],
      ['--nosuch', 'word'],
    ],
    [
      ['--nosuch', '--nothing', '3'],
      ['--nosuch', '--nothing'],
    ],
    [['--nosuch'], ['--nosuch']],
  ])('%j: what is not known is one problem with its value', (argv, names) => {
    try {
      load(argv);
      throw new Error('it was taken');
    } catch (error) {
      const said = (error as ConfigError).problems.map((problem) => problem.split(':')[0]);
      expect(said).toEqual(names);
    }
  });

  test.each([
    ['a scalar', 'just text'],
    ['a section that is a scalar', 'rtmp: 5'],
    ['broken YAML', 'rtmp: [}'],
    [
      'an alias bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghi'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[index]}`).join(',')}]`).join('\n')}`,
    ],
  ])('%s is a problem, not a crash', (_name, text) => {
    expect(() => load(['--config', file('hostile.yaml', text)])).toThrow(ConfigError);
  });

  test.each([
    ['in a section', 'rtmp: { prot: 1936 }', 'rtmp.prot: no such setting'],
    ['at the top', 'rmtp: { port: 1936 }', 'rmtp: no such setting'],
    ['that can be the value of another line', '"adminToken{ s3cr+t/": 1', '(no name): no such setting'],
    [
      'called like what every object has',
      'rtmp: { constructor: 1, __proto__: 2 }',
      'rtmp.__proto__: no such',
    ],
  ])('a misspelt setting %s is a problem, not a default', (_, text, problem) => {
    expect(() => load(['--config', file('misspelt.yaml', text)])).toThrow(problem);
  });

  test('the name of an alias without an anchor, which can be a secret, is not quoted', () => {
    const text = 'adminToken: *s3cret-s3cret\n';
    const problem = /cannot be read as YAML: an alias without its anchor/;
    expect(() => load(['--config', file('alias.yaml', text)])).toThrow(problem);
    expect(() => load(['--config', file('alias.yaml', text)])).not.toThrow(/s3cret/);
  });

  test.each([
    ['an ordered map', 'rtmp: !!omap [port: 5]'],
    ['a set', 'rtmp: !!set {port}'],
    ['bytes', 'rtmp: !!binary ""'],
    ['a type of its own', 'rtmp: !foo {port: 5}'],
    ['an ordered map of everything', '!!omap [rtmp: {port: 5}]'],
  ])('%s in place of a section is a problem where it stands, not defaults', (_, text) => {
    expect(() => load(['--config', file('tagged.yaml', text)])).toThrow(
      /cannot be read as YAML: line 1, column \d+ \(TAG_RESOLVE_FAILED\)/,
    );
  });

  test('a file that is no YAML is told of without what stands in it', () => {
    const path = file('secret.yaml', 'adminToken: the-secret-itself\n  oops: [');
    expect.assertions(2);
    try {
      load(['--config', path]);
    } catch (error) {
      expect((error as Error).message).toContain(`${path}: cannot be read as YAML: line `);
      expect((error as Error).message).not.toContain('the-secret-itself');
    }
  });

  test('help names every setting, its environment name and its default', () => {
    const help = formatHelp('test', schema);
    expect(help).toContain('--rtmp.connectionTimeoutMs  (MILLRACE_RTMP_CONNECTION_TIMEOUT_MS)');
    expect(help).toContain('[default 1935]');
    expect(help).toContain('MILLRACE_ADMIN_TOKEN_FILE');
    const choices = formatHelp('test', z.object({ level: z.enum(['low', 'high']).describe('How much.') }));
    expect(choices).toContain('How much. One of `low`, `high`.');
  });
});
