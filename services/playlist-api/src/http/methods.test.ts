import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ADMIN_TOKEN, createFixture } from '../testing/fixture.ts';
import type { Fixture } from '../testing/fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});

afterAll(() => fixture.stop());

const token = { authorization: `Bearer ${ADMIN_TOKEN}` };

function ask(method: string, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${fixture.url}${path}`, { method, headers });
}

test.each([
  ['/v1/live', 'GET, HEAD, OPTIONS'],
  ['/v1/channels', 'GET, POST, HEAD, OPTIONS'],
  ['/v1/channels/news', 'GET, PUT, DELETE, HEAD, OPTIONS'],
  ['/v1/channels/news/stream-keys/a/rotate', 'POST, OPTIONS'],
  ['/v1/ladders/mine', 'GET, PUT, DELETE, HEAD, OPTIONS'],
  ['/play/news/index.m3u8', 'GET, HEAD, OPTIONS'],
  ['/time', 'GET, HEAD, OPTIONS'],
])('%s says its methods to who asks and to who uses another', async (path, allow) => {
  const options = await ask('OPTIONS', path);
  expect([options.status, options.headers.get('allow')]).toEqual([204, allow]);
  const refused = await ask('PATCH', path, token);
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, allow]);
  expect(await refused.json()).toMatchObject({ id: 'PLAYLIST_API_METHOD_UNKNOWN' });
});

test.each([
  ['/v1/live', {}, 200],
  ['/v1/openapi.json', {}, 200],
  ['/v1/channels', token, 200],
  ['/v1/channels', {}, 401],
  ['/v1/channels/none', token, 404],
  ['/v1/nothing', token, 404],
  ['/nothing', {}, 404],
])('HEAD %s with %j is GET without the body', async (path, headers, status) => {
  const head = await ask('HEAD', path, headers);
  const get = await ask('GET', path, headers);
  expect([head.status, get.status]).toEqual([status, status]);
  expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
  expect(head.headers.get('content-length')).toBe(String((await get.arrayBuffer()).byteLength));
  expect(await head.text()).toBe('');
});

test('a stream key is made and rotated without a body, since nothing in it has to be said', async () => {
  const made = await fetch(`${fixture.url}/v1/channels`, {
    method: 'POST',
    headers: { ...token, 'content-type': 'application/json' },
    body: '{"name":"news"}',
  });
  expect(made.status).toBe(201);
  const key = await ask('POST', '/v1/channels/news/stream-keys', token);
  expect(key.status).toBe(201);
  const { id } = (await key.json()) as { id: string };
  const rotated = await ask('POST', `/v1/channels/news/stream-keys/${id}/rotate`, token);
  expect(rotated.status).toBe(201);
  expect(await rotated.json()).toMatchObject({ role: 'primary' });
});

test('a body that is not JSON, and one that does not say that it is, are told so', async () => {
  const post = (body: string, type: string): Promise<Response> =>
    fetch(`${fixture.url}/v1/channels`, {
      method: 'POST',
      headers: { ...token, 'content-type': type },
      body,
    });
  expect(await (await post('{name:a}', 'application/json')).json()).toMatchObject({
    status: 400,
    detail: 'The body is not JSON: check its quotes and brackets.',
  });
  expect(await (await post('{"name":"a"}', 'text/plain')).json()).toMatchObject({
    status: 415,
    detail: expect.stringContaining('"Content-Type: application/json"'),
  });
});
