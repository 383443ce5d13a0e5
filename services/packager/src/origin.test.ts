import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { FIRST_K, PackagerHarness } from './testing/packager-harness.ts';
import type { Answer } from './testing/http-get.ts';
import { gapPart, initSegment, part } from './testing/synthetic-parts.ts';

let harness: PackagerHarness | undefined;

async function start(options?: Parameters<typeof PackagerHarness.start>[0]): Promise<PackagerHarness> {
  harness = await PackagerHarness.start(options);
  return harness;
}

afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

function uris(answer: Answer): string[] {
  return answer.body
    .toString()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

describe('what a viewer gets', () => {
  test('a playlist of the last six segments, and everything in it', async () => {
    const origin = await start();
    await origin.publish(8);
    const playlist = await origin.get('720p/index.m3u8');
    expect(playlist.status).toBe(200);
    expect(uris(playlist)).toEqual([2, 3, 4, 5, 6, 7].map((index) => `${FIRST_K + index}.m4s`));
    expect(playlist.body.toString()).toContain(`#EXT-X-MEDIA-SEQUENCE:${FIRST_K + 2}\n`);
    for (const uri of uris(playlist)) {
      const k = Number(uri.split('.')[0]);
      const { status, body } = await origin.get(`720p/${uri}`);
      expect(status).toBe(200);
      expect(body.equals(Buffer.concat([part('720p', k, 0).data, part('720p', k, 1).data]))).toBe(true);
    }
    const init = await origin.get('720p/init-0.mp4');
    expect(init.body.equals(initSegment('720p').data)).toBe(true);
  });

  test('parts, also those of a segment that is not complete', async () => {
    const origin = await start();
    const stream = await origin.publish(1);
    await stream.publishPart(part('720p', FIRST_K + 1, 0));
    expect((await origin.get(`720p/${FIRST_K}.1.m4s`)).body.equals(part('720p', FIRST_K, 1).data)).toBe(true);
    const early = await origin.get(`720p/${FIRST_K + 1}.0.m4s`);
    expect(early.body.equals(part('720p', FIRST_K + 1, 0).data)).toBe(true);
    expect((await origin.get(`720p/${FIRST_K + 1}.1.m4s`)).status).toBe(404);
    await stream.publishPart(part('720p', FIRST_K + 1, 1));
    const later = await origin.get(`720p/${FIRST_K + 1}.0.m4s`);
    expect(later.headers.etag).toBe(early.headers.etag);
  });

  test('honest content types (H-20)', async () => {
    const origin = await start();
    await origin.publish(1);
    const types = await Promise.all(
      [
        '720p/index.m3u8',
        '720p/init-0.mp4',
        `audio/${FIRST_K}.m4s`,
        `720p/${FIRST_K}.ts`,
        'audio/ts.m3u8',
      ].map(async (path) => (await origin.get(path)).headers['content-type']),
    );
    expect(types).toEqual([
      'application/vnd.apple.mpegurl',
      'video/mp4',
      'audio/mp4',
      'video/mp2t',
      'application/vnd.apple.mpegurl',
    ]);
  });

  test('MPEG-TS once the audio is complete too, the same bytes each time', async () => {
    const origin = await start();
    const stream = await origin.publish(2);
    await stream.publishPart(part('720p', FIRST_K + 2, 0));
    await stream.publishPart(part('720p', FIRST_K + 2, 1));
    const playlist = await origin.get('720p/ts.m3u8');
    expect(uris(playlist)).toEqual([`${FIRST_K}.ts`, `${FIRST_K + 1}.ts`]);
    expect(playlist.body.toString()).toContain('#EXT-X-VERSION:3\n');
    const held = origin.get(`720p/${FIRST_K + 2}.ts`);
    await stream.publishPart(part('audio', FIRST_K + 2, 0));
    await stream.publishPart(part('audio', FIRST_K + 2, 1));
    const segment = await held;
    expect(segment.status).toBe(200);
    expect(segment.body.length % (16 * 188)).toBe(0);
    expect((await origin.get(`720p/${FIRST_K + 2}.ts`)).body.equals(segment.body)).toBe(true);
    expect(uris(await origin.get('720p/ts.m3u8')).at(-1)).toBe(`${FIRST_K + 2}.ts`);
    expect(await origin.metric('millrace_packager_ts_cache_bytes')).toBe(segment.body.length);
  });

  test('MPEG-TS lasts as long as its picture, whatever its audio adds (H-2)', async () => {
    const origin = await start();
    await origin.publish(6);
    const durations = async (path: string): Promise<string[]> =>
      [...(await origin.get(path)).body.toString().matchAll(/#EXTINF:(.+),/g)].map(
        ([, seconds = '']) => seconds,
      );
    expect(new Set(await durations('720p/ts.m3u8'))).toEqual(new Set(['2.000000']));
    expect(await durations('audio/index.m3u8')).toContain('2.005333');
  });

  test('a gap in the playlist and a 404 for its media (H-14)', async () => {
    const origin = await start();
    const stream = await origin.publish(1);
    for (const index of [0, 1]) await stream.publishPart(gapPart('720p', FIRST_K + 1, index));
    const text = (await origin.get('720p/index.m3u8')).body.toString();
    expect(text).toContain(`#EXT-X-GAP\n#EXTINF:2.000000,\n${FIRST_K + 1}.m4s`);
    const answer = await origin.get(`720p/${FIRST_K + 1}.m4s`);
    expect([answer.status, answer.headers['cache-control']]).toEqual([404, 'no-store']);
    expect((await origin.get(`720p/${FIRST_K + 1}.0.m4s`)).status).toBe(404);
  });

  test('a discontinuity, the next init segment and numbers that go on, for a new period', async () => {
    const origin = await start();
    const stream = await origin.publish(1);
    const k = FIRST_K + 3;
    await stream.publishInit(initSegment('720p', 1, 16));
    for (const index of [0, 1])
      await stream.publishPart(
        part('720p', k, index, {
          period: 1,
          msn: FIRST_K + 1,
          discontinuitySequence: 1,
          hasDiscontinuity: true,
        }),
      );
    const text = (await origin.get('720p/index.m3u8')).body.toString();
    expect(text).toContain('#EXT-X-DISCONTINUITY-SEQUENCE:0\n');
    expect(text).toContain('#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="init-1.mp4"\n');
    expect((await origin.get(`720p/${FIRST_K + 1}.m4s`)).status).toBe(404);
  });
});

describe('conditional and partial requests', () => {
  test('If-None-Match gives 304 with the same validators (O-2)', async () => {
    const origin = await start();
    await origin.publish(1);
    for (const path of ['720p/index.m3u8', `720p/${FIRST_K}.m4s`, '720p/init-0.mp4', `720p/${FIRST_K}.ts`]) {
      const { headers } = await origin.get(path);
      const etag = headers.etag ?? '';
      expect(etag).toMatch(/^"[\w-]{22}"$/);
      for (const condition of [etag, `"x", ${etag}`, `W/${etag}`, '*']) {
        const answer = await origin.get(path, { headers: { 'if-none-match': condition } });
        expect([
          answer.status,
          answer.headers.etag,
          answer.headers['cache-control'],
          answer.body.length,
        ]).toEqual([304, etag, headers['cache-control'], 0]);
      }
      expect((await origin.get(path, { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
    }
  });

  test.each([
    ['bytes=0-9', 206, 0, 10],
    ['bytes=5-', 206, 5, undefined],
    ['bytes=-7', 206, -7, undefined],
    ['bytes=3-9007199254740991', 206, 3, undefined],
    ['bytes=0-99999999', 206, 0, undefined],
    ['bytes=-99999999', 206, 0, undefined],
    ['bytes=0-1,3-4', 200, 0, undefined],
    ['bytes=9-3', 200, 0, undefined],
    ['bytes=-', 200, 0, undefined],
    ['chunks=0-1', 200, 0, undefined],
  ])('Range: %s', async (range, status, start_, end) => {
    const origin = await start();
    await origin.publish(1);
    const whole = (await origin.get(`720p/${FIRST_K}.m4s`)).body;
    const answer = await origin.get(`720p/${FIRST_K}.m4s`, { headers: { range } });
    expect(answer.status).toBe(status);
    const expected = whole.subarray(start_, end);
    expect(answer.body.equals(expected)).toBe(true);
    expect(answer.headers['content-length']).toBe(String(expected.length));
    if (status === 206) {
      const first = whole.length + (start_ < 0 ? start_ : start_ - whole.length);
      expect(answer.headers['content-range']).toBe(
        `bytes ${first}-${first + expected.length - 1}/${whole.length}`,
      );
    }
  });

  test('a range behind the end is 416 and says how long it is', async () => {
    const origin = await start();
    await origin.publish(1);
    const size = (await origin.get(`720p/${FIRST_K}.m4s`)).body.length;
    for (const range of [`bytes=${size}-`, 'bytes=-0']) {
      const answer = await origin.get(`720p/${FIRST_K}.m4s`, { headers: { range } });
      expect([answer.status, answer.headers['content-range']]).toEqual([416, `bytes */${size}`]);
    }
  });

  test('If-Range with another tag gives everything', async () => {
    const origin = await start();
    await origin.publish(1);
    const path = `720p/${FIRST_K}.m4s`;
    const etag = (await origin.get(path)).headers.etag ?? '';
    const range = { range: 'bytes=0-9' };
    expect((await origin.get(path, { headers: { ...range, 'if-range': etag } })).status).toBe(206);
    expect((await origin.get(path, { headers: { ...range, 'if-range': '"x"' } })).status).toBe(200);
  });

  test('HEAD has the headers of GET and no body', async () => {
    const origin = await start();
    await origin.publish(1);
    for (const path of ['720p/index.m3u8', `720p/${FIRST_K}.m4s`, `720p/${FIRST_K + 99}.m4s`]) {
      const got = await origin.get(path);
      const head = await origin.get(path, { method: 'HEAD', headers: { range: 'bytes=0-1' } });
      expect(head.status).toBe(got.status);
      expect(head.body.length).toBe(0);
      const { date, ...rest } = head.headers;
      expect(date).toBeDefined();
      expect(rest).toEqual({ ...got.headers, date: undefined });
    }
  });

  test('gzip when the client takes it, compressed once a revision, with a tag of its own', async () => {
    const origin = await start();
    await origin.publish(1);
    const plain = await origin.get('720p/index.m3u8');
    const gzip = await origin.get('720p/index.m3u8', { headers: { 'accept-encoding': 'br, gzip' } });
    expect(gzip.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(gzip.body).equals(plain.body)).toBe(true);
    expect(gzip.headers.etag).not.toBe(plain.headers.etag);
    expect([plain.headers.vary, gzip.headers.vary]).toEqual(['Accept-Encoding', 'Accept-Encoding']);
    const again = await origin.get('720p/index.m3u8', { headers: { 'accept-encoding': 'gzip;q=0.5' } });
    expect(again.body.equals(gzip.body)).toBe(true);
    for (const refusing of ['gzip;q=0', 'identity', 'br;q=1.0, gzip;q=0.000']) {
      const answer = await origin.get('720p/index.m3u8', { headers: { 'accept-encoding': refusing } });
      expect(answer.headers['content-encoding']).toBeUndefined();
    }
    const segment = await origin.get(`720p/${FIRST_K}.m4s`, { headers: { 'accept-encoding': 'gzip' } });
    expect([segment.headers['content-encoding'], segment.headers.vary]).toEqual([undefined, undefined]);
  });
});

describe('lifetimes and headers', () => {
  test('are those of section 8 and O', async () => {
    const origin = await start();
    await origin.publish(1);
    const control = async (path: string): Promise<unknown[]> => {
      const { status, headers } = await origin.get(path);
      return [status, headers['cache-control']];
    };
    expect(await control('720p/index.m3u8')).toEqual([200, 'public, max-age=1']);
    expect(await control(`720p/${FIRST_K}.m4s`)).toEqual([200, 'public, max-age=1209600, immutable']);
    expect(await control(`720p/${FIRST_K}.0.m4s`)).toEqual([200, 'public, max-age=1209600, immutable']);
    expect(await control(`720p/${FIRST_K}.ts`)).toEqual([200, 'public, max-age=1209600, immutable']);
    expect(await control(`720p/${FIRST_K + 50}.m4s`)).toEqual([425, 'no-store']);
    expect(await control(`720p/${FIRST_K - 50}.m4s`)).toEqual([404, 'no-store']);
    expect(await control('1080p/index.m3u8')).toEqual([404, 'no-store']);
  });

  test('no Last-Modified, no Age, and what pages may read (O-3, H-21, L-10)', async () => {
    const origin = await start();
    await origin.publish(1);
    const { headers } = await origin.get(`720p/${FIRST_K}.m4s`);
    expect(headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-expose-headers': expect.stringContaining('Date, Age, Content-Length'),
      'timing-allow-origin': '*',
      'accept-ranges': 'bytes',
    });
    expect(headers['last-modified']).toBeUndefined();
    expect(headers.age).toBeUndefined();
    expect(headers.date).toBeDefined();
  });

  test('OPTIONS answers a preflight, other methods are 405', async () => {
    const origin = await start();
    const preflight = await origin.get('720p/index.m3u8', { method: 'OPTIONS' });
    expect([preflight.status, preflight.headers['access-control-allow-methods']]).toEqual([
      204,
      'GET, HEAD, OPTIONS',
    ]);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await origin.get('720p/index.m3u8', { method });
      expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
    }
  });

  test('an unknown query is ignored (O-1), a long URL is 414, a strange path is 404', async () => {
    const origin = await start();
    await origin.publish(1);
    expect((await origin.get('720p/index.m3u8?x=1&_HLS_foo=2')).status).toBe(200);
    expect((await origin.get(`720p/index.m3u8?${'x'.repeat(3000)}`)).status).toBe(414);
    const strange = [
      '',
      '720p',
      '720p/',
      '../x',
      '720p/../audio/index.m3u8',
      '720p/%2e%2e',
      '720p/index.M3U8',
    ];
    strange.push(`720p/0${FIRST_K}.m4s`, '720p/-1.m4s', '720p/1e9.m4s', `720p/${'9'.repeat(40)}.m4s`);
    for (const path of strange) expect([path, (await origin.get(path)).status]).toEqual([path, 404]);
    expect((await origin.getPath('/media/nobody/720p/index.m3u8')).status).toBe(404);
  });
});
