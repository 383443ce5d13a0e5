import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { reservePorts } from './loopback-ports.ts';

test('ports are different, free, and not among those of outgoing connections, however many ask at once', async () => {
  const asked = await Promise.all([reservePorts(30), reservePorts(50), reservePorts(1)]);
  const ports = asked.flat();
  expect(asked.map(({ length }) => length)).toEqual([30, 50, 1]);
  expect(new Set(ports).size).toBe(81);
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

test('a port that somebody has meanwhile is left out', async () => {
  const [first = 0] = await reservePorts(1);
  const server = createServer();
  // The next one of the same block.
  await new Promise<void>((resolve) => server.listen(first + 1, '127.0.0.1', resolve));
  try {
    expect(await reservePorts(3)).not.toContain(first + 1);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
