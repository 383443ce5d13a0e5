import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { InstanceRegistration } from '@millrace/runtime';
import { PackagerGroup, RENDITIONS } from './testing/packager-group.ts';
import { FIRST_K } from './testing/packager-harness.ts';

let group: PackagerGroup | undefined;
const closing: (() => void)[] = [];

async function start(...options: Parameters<typeof PackagerGroup.start>): Promise<PackagerGroup> {
  group = await PackagerGroup.start(...options);
  return group;
}

afterEach(async () => {
  await group?.stop();
  group = undefined;
  for (const close of closing.splice(0)) close();
});

/** A session on `a` with two segments, and `c`, which it is not placed on. */
async function startWithStranger(
  options: Parameters<typeof PackagerGroup.start>[1] = {},
): Promise<PackagerGroup> {
  const packagers = await start(['a', 'c'], { placed: ['a'], ...options });
  const worker = await packagers.open('a');
  await packagers.publishInits([worker]);
  for (const k of [FIRST_K, FIRST_K + 1]) await packagers.publishParts([worker], k);
  return packagers;
}

/** An owner that answers as the test says, registered as `a`. */
async function registerFake(
  packagers: PackagerGroup,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<void> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  packagers.ghosts.push(ghost('a', `127.0.0.1:${(server.address() as AddressInfo).port}`));
}

function ghost(id: string, httpAddress: string): InstanceRegistration {
  const load = { runId: '', capacityUnits: 10, loadUnits: 0, isDraining: false };
  return { kind: 'packager', id, address: id, httpAddress, ...load };
}

const GOOD = {
  'content-type': 'video/mp4',
  'cache-control': 'public, max-age=1',
  etag: '"x"',
  'accept-ranges': 'bytes',
};
const OWN_HEADERS = ['date', 'connection', 'keep-alive'];

describe('a packager that does not hold a session answers like one that does:', () => {
  const media = `720p/${FIRST_K}.m4s`;
  test.each([
    ['a playlist', '720p/index.m3u8', {}],
    ['a playlist in gzip', '720p/index.m3u8', { headers: { 'accept-encoding': 'gzip' } }],
    ['a playlist with a query', '720p/index.m3u8?a=b', {}],
    ['an MPEG-TS playlist', '360p/ts.m3u8', {}],
    ['a segment', media, {}],
    ['a range of a segment', media, { headers: { range: 'bytes=10-99' } }],
    ['a range that is none', media, { headers: { range: 'bytes=99999999-' } }],
    ['HEAD', media, { method: 'HEAD' }],
    [
      'HEAD of a playlist in gzip',
      '720p/index.m3u8',
      { method: 'HEAD', headers: { 'accept-encoding': 'gzip' } },
    ],
    ['a part', `audio/${FIRST_K}.1.m4s`, {}],
    ['an init segment', 'audio/init-0.mp4', {}],
    ['an MPEG-TS segment', `720p/${FIRST_K}.ts`, {}],
    ['what does not exist', '1080p/index.m3u8', {}],
    ['what is not due', `720p/${FIRST_K + 9}.m4s`, {}],
  ])('%s', async (_, path, options) => {
    const packagers = await startWithStranger();
    const [own, other] = await Promise.all(['a', 'c'].map((id) => packagers.member(id).get(path, options)));
    expect(other?.status).toBe(own?.status);
    const headersOf = (headers: NodeJS.Dict<string | string[]> = {}): unknown =>
      Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.includes(name)));
    expect(headersOf(other?.headers)).toEqual(headersOf(own?.headers));
    expect(other?.body.equals(own?.body ?? Buffer.alloc(1))).toBe(true);
    const forwarded = packagers.member('c').metric('millrace_packager_forwarded_requests_total');
    expect(await forwarded).toBe(1);
  });

  test('304 for what the client has', async () => {
    const packagers = await startWithStranger();
    const { headers } = await packagers.member('a').get('720p/index.m3u8');
    const again = await packagers
      .member('c')
      .get('720p/index.m3u8', { headers: { 'if-none-match': headers.etag ?? '' } });
    expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, headers.etag]);
  });

  test('what is not there yet is held until it is', async () => {
    const packagers = await startWithStranger();
    const held = packagers.member('c').get(`720p/${FIRST_K + 2}.m4s`);
    await packagers.until(
      async () => (await packagers.member('a').metric('millrace_packager_waiters')) === 1,
    );
    const worker = await packagers.open('a');
    await packagers.publishParts([worker], FIRST_K + 2);
    expect((await held).status).toBe(200);
  });
});

describe('requests of a packager to another one', () => {
  test('are one for many equal ones', async () => {
    const packagers = await startWithStranger();
    const c = packagers.member('c');
    const held = Array.from({ length: 20 }, () => c.get(`720p/${FIRST_K + 2}.m4s`));
    await packagers.until(async () => (await c.metric('millrace_packager_collapsed_requests_total')) === 19);
    const worker = await packagers.open('a');
    await packagers.publishParts([worker], FIRST_K + 2);
    const answers = await Promise.all(held);
    expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.etag}`)).size).toBe(1);
    expect(await c.metric('millrace_packager_forwarded_requests_total')).toBe(1);
    expect(
      await packagers.member('a').metric('millrace_packager_responses_total', { object: 'segment' }),
    ).toBe(1);
    expect(await c.metric('millrace_packager_waiters')).toBe(0);
  });

  test('are given up when nobody waits for them any more', async () => {
    const packagers = await startWithStranger();
    const [a, c] = [packagers.member('a'), packagers.member('c')];
    const abort = new AbortController();
    const left = c.get(`720p/${FIRST_K + 2}.m4s`, { signal: abort.signal });
    await packagers.until(async () => (await a.metric('millrace_packager_waiters')) === 1);
    abort.abort();
    await expect(left).rejects.toThrow();
    await packagers.until(async () => (await a.metric('millrace_packager_waiters')) === 0);
    expect(await c.metric('millrace_packager_waiters')).toBe(0);
  });

  test('are never sent on: two that think the other one has a session do not ask in circles', async () => {
    const packagers = await start(['b', 'c'], { placed: ['a'] });
    const to = packagers.registered().find(({ id }) => id === 'b')?.httpAddress ?? '';
    packagers.ghosts.push(ghost('a', to));
    const answer = await packagers.member('c').get('720p/index.m3u8');
    expect(answer.status).toBe(503);
    expect(await packagers.member('c').metric('millrace_packager_forwarded_requests_total')).toBeGreaterThan(
      0,
    );
    expect(await packagers.member('b').metric('millrace_packager_forwarded_requests_total')).toBe(0);
  });

  test('are made again for a moment, since an owner may have just begun', async () => {
    const packagers = await startWithStranger();
    packagers.unregistered.add('a');
    const answer = packagers.member('c').get('720p/index.m3u8');
    await packagers.until(
      async () => (await packagers.member('c').metric('millrace_packager_waiters')) === 1,
    );
    packagers.unregistered.delete('a');
    expect((await answer).status).toBe(200);
  });

  test('go to the next owner when one does not answer, or fails', async () => {
    const packagers = await startWithStranger({ placed: ['dead', 'failing', 'a'] });
    packagers.ghosts.push(ghost('dead', '127.0.0.1:1'));
    const failing = createServer((_, response) => response.writeHead(500).end('no'));
    await new Promise<void>((resolve) => failing.listen(0, '127.0.0.1', () => resolve()));
    closing.push(() => failing.close());
    packagers.ghosts.push(ghost('failing', `127.0.0.1:${(failing.address() as AddressInfo).port}`));
    const c = packagers.member('c');
    expect((await c.get('720p/index.m3u8')).status).toBe(200);
    expect(await c.metric('millrace_packager_forwarded_requests_total', { result: 'failed' })).toBe(2);
    expect(await c.metric('millrace_packager_forwarded_requests_total', { result: 'answered' })).toBe(1);
  });

  test('are bounded: 503 beyond so many, and beyond so many bytes', async () => {
    const few = await startWithStranger({ config: { limits: { maxForwardedRequests: 1 } } });
    const c = few.member('c');
    const held = c.get(`720p/${FIRST_K + 2}.m4s`);
    await few.until(async () => (await few.member('a').metric('millrace_packager_waiters')) === 1);
    expect((await c.get('720p/index.m3u8')).status).toBe(503);
    expect(await c.metric('millrace_packager_forwarded_requests_total', { result: 'rejected' })).toBe(1);
    await few.publishParts([await few.open('a')], FIRST_K + 2);
    expect((await held).status).toBe(200);
    expect((await c.get('720p/index.m3u8')).status).toBe(200);
    await few.stop();
    const small = await startWithStranger({ config: { memory: { maxForwardedBytes: 1000 } } });
    expect((await small.member('c').get(`720p/${FIRST_K}.m4s`)).status).toBe(503);
    expect((await small.member('c').get('720p/index.m3u8')).status).toBe(200);
  });
});

describe('503 with Retry-After, and never 404 or 410, when', () => {
  async function expectNotNow(packagers: PackagerGroup): Promise<void> {
    const paths = ['720p/index.m3u8', `720p/${FIRST_K}.m4s`, 'audio/init-0.mp4'];
    const answers = await Promise.all(paths.map((path) => packagers.member('c').get(path)));
    for (const [index, answer] of answers.entries()) {
      const path = paths[index];
      expect([path, answer.status, answer.headers['retry-after']]).toEqual([path, 503, '1']);
      expect(answer.headers['cache-control']).toBe('no-store');
    }
  }

  test('no owner is registered', async () => {
    const packagers = await startWithStranger();
    packagers.unregistered.add('a');
    await expectNotNow(packagers);
  });

  test('no owner can be reached', async () => {
    const packagers = await start(['c'], { placed: ['a'] });
    packagers.ghosts.push(ghost('a', '127.0.0.1:1'));
    await expectNotNow(packagers);
  });

  test.each<[string, (request: IncomingMessage, response: ServerResponse) => void]>([
    [
      'a body that is cut',
      (_, response) => {
        response.writeHead(200, { ...GOOD, 'content-length': '10' });
        response.write('half', () => response.destroy());
      },
    ],
    ['no length', (_, response) => void response.writeHead(200, GOOD).end('body')],
    [
      'no ETag',
      (_, response) => {
        const { etag: _etag, ...rest } = GOOD;
        response.writeHead(200, { ...rest, 'content-length': '4' }).end('body');
      },
    ],
    [
      'an encoding that was not asked for',
      (_, response) => {
        response.writeHead(200, { ...GOOD, 'content-length': '4', 'content-encoding': 'br' }).end('body');
      },
    ],
    [
      'more than there may be',
      (_, response) => {
        response.writeHead(200, { ...GOOD, 'content-length': String(1e12) });
        response.write('x');
      },
    ],
    ['a redirect', (_, response) => void response.writeHead(302, { location: 'http://x/' }).end()],
    ['nonsense', (request) => void request.socket.end('HTTP/9.9 nonsense\r\n\r\n')],
  ])('an owner answers with %s', async (_, answer) => {
    const packagers = await start(['c'], { placed: ['a'] });
    await registerFake(packagers, answer);
    await expectNotNow(packagers);
    expect(await packagers.member('c').metric('millrace_packager_waiters')).toBe(0);
  });

  test('a session may exist that is not known yet', async () => {
    const packagers = await start(['c'], { placed: ['a'] });
    packagers.sessionId = 'unknown';
    const answer = await packagers.member('c').get('720p/index.m3u8');
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
  });
});

test('every rendition is answered by whichever packager is asked', async () => {
  const packagers = await startWithStranger();
  for (const id of RENDITIONS) expect((await packagers.member('c').get(`${id}/index.m3u8`)).status).toBe(200);
});
