import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { describeSettings, loadConfig } from '@millrace/runtime';
import { playlistApiConfigSchema } from './config.ts';

const load = (env: Record<string, string>): ReturnType<typeof playlistApiConfigSchema.parse> =>
  loadConfig(playlistApiConfigSchema, { service: 'playlist-api', argv: [], env });

describe('configuration', () => {
  test('there is no start without an admin token, and the message says how to give one', () => {
    expect(() => load({})).toThrow(
      /adminToken: is missing: set MILLRACE_ADMIN_TOKEN, or MILLRACE_ADMIN_TOKEN_FILE/,
    );
    expect(() => load({ MILLRACE_ADMIN_TOKEN: 'short' })).toThrow(/at least 16 characters/);
  });

  test('the admin token comes from the environment or from a file', () => {
    expect(load({ MILLRACE_ADMIN_TOKEN: '0123456789abcdef' }).adminToken).toBe('0123456789abcdef');
    const directory = mkdtempSync(join(tmpdir(), 'millrace-token-'));
    const file = join(directory, 'token');
    writeFileSync(file, 'fedcba9876543210\n');
    expect(load({ MILLRACE_ADMIN_TOKEN_FILE: file }).adminToken).toBe('fedcba9876543210');
    rmSync(directory, { recursive: true });
  });

  test('defaults are the documented ones, and every setting is described', () => {
    expect(load({ MILLRACE_ADMIN_TOKEN: '0123456789abcdef' })).toMatchObject({
      http: { port: 8080 },
      admin: { port: 9204 },
      rtmp: { publicPort: 1935, apps: ['live'] },
      holdMs: 5000,
    });
    for (const setting of describeSettings(playlistApiConfigSchema)) expect(setting.description).not.toBe('');
  });
});
