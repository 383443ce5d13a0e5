import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ADMIN_TOKEN, createFixture } from '../testing/fixture.ts';
import type { Fixture } from '../testing/fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});

afterAll(() => fixture.stop());

function post(body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${fixture.url}/v1/channels`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json', ...headers },
    body: body as string,
  });
}

const isServed = async (): Promise<boolean> => (await fetch(`${fixture.url}/v1/live`)).status === 200;

describe('hostile requests', () => {
  test.each<[string, string | Buffer, Record<string, string>, number, string]>([
    ['half a document', '{"name":"a', {}, 400, 'PLAYLIST_API_REQUEST_INVALID'],
    ['a document that is a number', '1', {}, 400, 'PLAYLIST_API_REQUEST_INVALID'],
    ['no document', '', {}, 400, 'PLAYLIST_API_REQUEST_INVALID'],
    [
      'another media type',
      'name=a',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'PLAYLIST_API_MEDIA_TYPE',
    ],
    [
      'more than 64 KiB',
      JSON.stringify({ name: 'a'.repeat(70_000) }),
      {},
      413,
      'PLAYLIST_API_BODY_TOO_LARGE',
    ],
    [
      'a gzip bomb',
      gzipSync(Buffer.alloc(10_000_000, 32)),
      { 'content-encoding': 'gzip' },
      413,
      'PLAYLIST_API_BODY_TOO_LARGE',
    ],
    ['bytes that are not gzip', 'abc', { 'content-encoding': 'gzip' }, 400, 'PLAYLIST_API_REQUEST_INVALID'],
    ['an unknown coding', 'abc', { 'content-encoding': 'lzma' }, 415, 'PLAYLIST_API_MEDIA_TYPE'],
    [
      'an unknown charset',
      '{}',
      { 'content-type': 'application/json; charset=latin1' },
      415,
      'PLAYLIST_API_MEDIA_TYPE',
    ],
    [
      'deep nesting',
      `{"name":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      {},
      400,
      'PLAYLIST_API_REQUEST_INVALID',
    ],
    ['a prototype', '{"name":"a","__proto__":{"settings":1}}', {}, 400, 'PLAYLIST_API_REQUEST_INVALID'],
    ['a constructor', '{"name":"a","constructor":{"prototype":{}}}', {}, 400, 'PLAYLIST_API_REQUEST_INVALID'],
  ])('%s is refused', async (_name, body, headers, status, id) => {
    const response = await post(body, headers);
    expect({ status: response.status, body: await response.json() }).toMatchObject({ status, body: { id } });
    expect(await isServed()).toBe(true);
  });

  test('after ten wrong tokens an address is refused unheard for a minute', async () => {
    const ask = (token: string): Promise<Response> =>
      fetch(`${fixture.url}/v1/channels`, { headers: { authorization: `Bearer ${token}` } });
    for (let attempt = 0; attempt < 10; attempt += 1)
      expect((await ask(`wrong-token-${attempt}`)).status).toBe(401);
    const refused = await ask(ADMIN_TOKEN);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ id: 'PLAYLIST_API_TOKEN_RATE' });
    // What is open to everybody stays open.
    expect(await isServed()).toBe(true);
    fixture.clock.advance(60_000);
    expect((await ask(ADMIN_TOKEN)).status).toBe(200);
  });
});
