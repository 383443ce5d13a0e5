import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { findUnreachable } from './reachable.ts';

test('what an environment names and nobody listens on is told of by its variable, before anything is started', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const here = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    expect(await findUnreachable({})).toBeUndefined();
    expect(await findUnreachable({ REDIS_URL: `redis://u:p@${here}`, KAFKA_BROKERS: here })).toBeUndefined();
    // One of several is enough.
    expect(await findUnreachable({ KAFKA_BROKERS: `127.0.0.1:1,${here}` })).toBeUndefined();
    expect(await findUnreachable({ REDIS_URL: 'redis://:secret@127.0.0.1:1' })).toMatch(
      /^REDIS_URL: nobody listens on 127\.0\.0\.1:1;/,
    );
    expect(await findUnreachable({ REDIS_URL: 'foo' })).toMatch(/^REDIS_URL is no Redis URL/);
    expect(await findUnreachable({ KAFKA_BROKERS: '127.0.0.1:99999' })).toMatch(
      /^KAFKA_BROKERS: nobody listens/,
    );
  } finally {
    server.close();
  }
});
