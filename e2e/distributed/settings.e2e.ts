import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';

const ROOT = `${import.meta.dirname}/../../`;

function run(...args: string[]): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const { PATH = '' } = process.env;
  return spawnSync(`${ROOT}scripts/run`, args, {
    ...{ cwd: ROOT, encoding: 'utf8', timeout: 120_000 },
    // A token is there already, so that it is no problem of its own.
    env: { PATH, MILLRACE_ADMIN_TOKEN: 'a token of some length' },
  });
}

describe.each([
  ['ingest', 'control.address'],
  ['transcode-worker', 'drain.gracePeriodSeconds'],
  ['packager', 'memory.maxTotalBytes'],
  ['playlist-api', 'channelFiles'],
] as const)('the settings of %s', (service, own) => {
  test('--help prints all of them: its own, and those of Redis, Kafka, gRPC, logs and metrics', () => {
    const { status, stdout } = run(service, '--help');
    expect(status).toBe(0);
    for (const setting of [
      own,
      'redis.url',
      'redis.sentinel.name',
      'kafka.brokers',
      'grpc.tls.caFile',
      'admin.port',
      'logLevel',
    ])
      expect(stdout).toContain(`--${setting} `);
  });

  test('wrong values are told all at once, after everything there is to set, and it does not start', () => {
    const { status, stderr } = run(service, '--admin.port', 'many', '--logLevel', 'loud', '--nosuch', '1');
    expect(status).toBe(2);
    expect(stderr).toContain(`--${own} `);
    const problems = stderr.slice(stderr.indexOf(`${service}: the configuration has `));
    expect(problems).toMatch(/admin\.port[^]*logLevel|logLevel[^]*admin\.port/);
    expect(problems).toContain('--nosuch: no such setting');
  });
});

test('a name that is none is refused with those that there are', () => {
  const { status, stderr } = run('transcoder');
  expect(status).toBe(2);
  expect(stderr).toContain('transcode-worker');
});
