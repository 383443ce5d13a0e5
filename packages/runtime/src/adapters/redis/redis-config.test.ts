import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { ConfigError, loadConfig } from '../../config.ts';
import { redisSchema } from './redis-config.ts';
import { parseRedisUrl } from './redis-url.ts';

const schema = z.object({ redis: redisSchema });

function load(env: Record<string, string>) {
  return loadConfig(schema, { service: 'test', argv: [], env }).redis;
}

function problemsOf(env: Record<string, string>): string {
  try {
    load(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n');
  }
  return '';
}

describe('a Redis URL', () => {
  test.each([
    ['redis://localhost', { isTls: false, addresses: [{ host: 'localhost', port: 6379 }], database: 0 }],
    ['redis://10.0.0.1:7000/2', { addresses: [{ host: '10.0.0.1', port: 7000 }], database: 2 }],
    ['rediss://[::1]:7000/', { isTls: true, addresses: [{ host: '::1', port: 7000 }], database: 0 }],
    [
      'redis://me:p%40ss@a:1,b:2',
      {
        username: 'me',
        password: 'p@ss',
        addresses: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
      },
    ],
    ['redis://:100%@a', { password: '100%', addresses: [{ host: 'a', port: 6379 }] }],
  ])('%s is read', (url, expected) => {
    expect(parseRedisUrl(url)).toMatchObject(expected);
  });

  test.each([
    '',
    'localhost:6379',
    'http://a',
    'redis://',
    'redis://a:0',
    'redis://a:65536',
    'redis://a,,b',
    'redis://a/x',
    'redis://a@b@c',
  ])('%j is none', (url) => {
    expect(parseRedisUrl(url)).toBeUndefined();
  });
});

describe('the redis section', () => {
  test('takes REDIS_URL as everyone names it, and cannot do without', () => {
    expect(problemsOf({})).toContain('redis.url: is not set: ');
    expect(load({ REDIS_URL: 'redis://a:1' }).url).toBe('redis://a:1');
  });

  test('a URL that is none is refused without showing it', () => {
    const problems = problemsOf({ REDIS_URL: 'redis//:hunter2@a' });
    expect(problems).toContain('redis.url');
    expect(problems).not.toContain('hunter2');
  });

  test.each([
    [{ REDIS_URL: 'redis://a,b' }, 'several hosts need cluster: true or sentinel.name'],
    [{ REDIS_URL: 'redis://a/1', MILLRACE_REDIS_CLUSTER: 'true' }, 'a Cluster has only database 0'],
    [
      { REDIS_URL: 'redis://a', MILLRACE_REDIS_CLUSTER: 'true', MILLRACE_REDIS_SENTINEL_NAME: 'm' },
      'a Cluster has no Sentinels',
    ],
    [
      { REDIS_URL: 'redis://a', MILLRACE_REDIS_TLS_CERT_FILE: '/a.pem' },
      'needs tls.certFile and tls.keyFile',
    ],
  ])('what does not go together is said: %j', (env, expected) => {
    expect(problemsOf(env as unknown as Record<string, string>)).toContain(expected);
  });
});
