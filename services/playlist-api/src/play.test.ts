import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ADMIN_TOKEN, createFixture } from './testing/fixture.ts';
import type { Fixture } from './testing/fixture.ts';
import { FIRST_K, rowsOf } from './testing/session-data.ts';

const OBJECTS = ['index.m3u8', 'ts.m3u8', 'manifest.mpd', 'manifest-number.mpd'];

let fixture: Fixture;

beforeEach(async () => {
  fixture = await createFixture({ holdMs: 5000 });
});

afterEach(() => fixture.stop());

const play = (object: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${fixture.url}/play/news/${object}`, init);

/** Waits for what another part of the service does in its own time. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function startNews(): Promise<{ sessionId: string; token: number }> {
  const opened = await fixture.openSession('news');
  fixture.index.add(opened.sessionId, rowsOf(FIRST_K, 1));
  return opened;
}

describe('/play', () => {
  test.each(OBJECTS)(
    'a viewer of %s who comes while the session starts is held until every rendition lists a segment',
    async (object) => {
      const { sessionId } = await fixture.openSession('news');
      const answered = play(object);
      const rows = rowsOf(FIRST_K, 1);
      fixture.index.add(sessionId, rows.slice(0, 2));
      const audio = rows.slice(2);
      const early = await Promise.race([
        answered.then(() => 'answered'),
        new Promise((resolve) => setTimeout(resolve, 50, 'held')),
      ]);
      fixture.index.add(sessionId, audio);
      const response = await answered;
      expect(early).toBe('held');
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toBe('max-age=1');
      expect(await response.text()).toContain(`../../media/${sessionId}/`);
    },
  );

  test.each(OBJECTS)('%s of a channel that is not live is a clear 404', async (object) => {
    const response = await play(object);
    expect(response.status).toBe(404);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ id: 'PLAYLIST_API_CHANNEL_UNKNOWN', status: 404 });
  });

  test('a session in its gap is served as before', async () => {
    const { token } = await startNews();
    expect((await play('index.m3u8')).status).toBe(200);
    await fixture.sessions.releasePublication('news', token);
    expect((await play('index.m3u8')).status).toBe(200);
    expect((await play('manifest.mpd')).status).toBe(200);
  });

  test('H-8, O-4, T-6: after the grace time the presentation ends, stays for its window and H-8, then is gone', async () => {
    const { token } = await startNews();
    await fixture.sessions.releasePublication('news', token);
    fixture.clock.advance(30_000);
    await until(async () => (await (await play('manifest.mpd')).text()).includes('type="static"'));
    await until(() => Promise.resolve(fixture.events.some(({ event }) => event.type === 'SessionEnded')));
    expect((await play('index.m3u8')).status).toBe(200);
    // Window 6 and SEG 2 s: 12 s for the playlist, 14 s for H-8.
    fixture.clock.advance(25_000);
    expect((await play('index.m3u8')).status).toBe(200);
    fixture.clock.advance(1000);
    const gone = await play('index.m3u8');
    expect(gone.status).toBe(410);
    expect(await gone.json()).toMatchObject({ id: 'PLAYLIST_API_SESSION_GONE' });
    fixture.clock.advance(600_000);
    await until(async () => (await play('index.m3u8')).status === 404);
  });

  test('a new session replaces the one that ended', async () => {
    const first = await startNews();
    await fixture.sessions.releasePublication('news', first.token);
    fixture.clock.advance(30_000);
    const second = await startNews();
    expect(second.sessionId).not.toBe(first.sessionId);
    await until(async () => (await (await play('index.m3u8')).text()).includes(second.sessionId));
  });

  test('a channel that exists and is not live is told from one that does not exist', async () => {
    await fetch(`${fixture.url}/v1/channels`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'news' }),
    });
    expect(await (await play('index.m3u8')).json()).toMatchObject({
      id: 'PLAYLIST_API_NOT_LIVE',
      detail: 'Channel news is not live: start its encoder.',
    });
  });

  test('O-2, T-7: equal ETag and bytes until something changes; If-None-Match is 304; HEAD has no body; gzip on request', async () => {
    const { sessionId } = await startNews();
    const plain = await play('manifest.mpd', { headers: { 'accept-encoding': 'identity' } });
    const etag = plain.headers.get('etag') ?? '';
    const text = await plain.text();
    expect(etag).toMatch(/^"[\w-]+"$/);
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(plain.headers.get('vary')).toBe('Accept-Encoding');
    expect(Number(plain.headers.get('content-length'))).toBe(Buffer.byteLength(text));
    const packed = await play('manifest.mpd', { headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(packed.headers.get('etag')).not.toBe(etag);
    expect(await packed.text()).toBe(text);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*', packed.headers.get('etag') ?? '']) {
      const same = await play('manifest.mpd', { headers: { 'if-none-match': known } });
      expect([known, same.status]).toEqual([known, 304]);
      expect(await same.text()).toBe('');
    }
    const head = await play('manifest.mpd', { method: 'HEAD', headers: { 'accept-encoding': 'identity' } });
    expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    expect(await head.text()).toBe('');
    fixture.index.add(sessionId, rowsOf(FIRST_K + 1, 1));
    await until(
      async () => (await play('manifest.mpd')).headers.get('etag')?.startsWith(etag.slice(0, -1)) === false,
    );
    expect((await play('manifest.mpd', { headers: { 'if-none-match': etag } })).status).toBe(200);
    // What was fixed when the session opened does not change with it.
    const multivariant = await play('index.m3u8');
    fixture.index.add(sessionId, rowsOf(FIRST_K + 2, 1));
    expect((await play('index.m3u8')).headers.get('etag')).toBe(multivariant.headers.get('etag'));
  });

  test('O-3: any page may read, and ask before', async () => {
    await startNews();
    const response = await play('index.m3u8', { headers: { origin: 'https://player.example' } });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-expose-headers')).toContain('Date');
    expect(response.headers.get('content-type')).toBe('application/vnd.apple.mpegurl');
    const preflight = await play('index.m3u8', { method: 'OPTIONS' });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('GET');
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const refused = await play('index.m3u8', { method });
      expect(refused.status).toBe(405);
      expect(refused.headers.get('allow')).toBe('GET, HEAD, OPTIONS');
    }
  });

  test('unknown queries change nothing (O-1); unknown objects are 404', async () => {
    await startNews();
    const plain = await play('index.m3u8');
    expect((await play('index.m3u8?_HLS_msn=5&a[]=1&a=%')).headers.get('etag')).toBe(
      plain.headers.get('etag'),
    );
    for (const path of ['', 'index.m3u', 'INDEX.M3U8', 'index.m3u8/', '%2e%2e%2fetc', '%00', '%']) {
      const status = (await play(path)).status;
      expect([path, [400, 404].includes(status)]).toEqual([path, true]);
    }
  });

  test('viewers above the limit are not held, and a held one that leaves is let go', async () => {
    await fixture.stop();
    fixture = await createFixture({ holdMs: 30_000, maxHeldRequests: 1 });
    await fixture.openSession('news');
    await until(async () => (await (await fetch(`${fixture.url}/v1/live`)).text()).includes('news'));
    const leaving = new AbortController();
    const held = play('index.m3u8', { signal: leaving.signal }).catch(() => 'left');
    const heldNow = async (): Promise<string | undefined> =>
      /held_requests\S* (\d+)/.exec(await fixture.registry.metrics())?.[1];
    await until(async () => (await heldNow()) === '1');
    const busy = await play('index.m3u8');
    expect(busy.status).toBe(503);
    expect(busy.headers.get('retry-after')).toBe('1');
    await until(async () =>
      /requests_total\{[^}]*status="503"[^}]*\} 1/.test(await fixture.registry.metrics()),
    );
    leaving.abort();
    expect(await held).toBe('left');
    await until(async () => (await heldNow()) === '0');
  });

  test('a start that takes too long is a 404 that asks to come again', async () => {
    await fixture.stop();
    fixture = await createFixture({ holdMs: 20 });
    await fixture.openSession('news');
    await until(async () => (await (await play('index.m3u8')).text()).includes('PLAYLIST_API_STARTING'));
  });

  test('/time is the UTC time that MPDs refer to', async () => {
    const response = await fetch(new URL('../../time', `${fixture.url}/play/news/manifest.mpd`));
    expect(await response.text()).toBe(new Date(fixture.clock.now()).toISOString());
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
  });

  test('stopping lets go of viewers that are held', async () => {
    await fixture.stop();
    fixture = await createFixture({ holdMs: 30_000 });
    await fixture.openSession('news');
    await until(async () => (await (await fetch(`${fixture.url}/v1/live`)).text()).includes('news'));
    const held = play('index.m3u8');
    await until(async () => /held_requests\S* 1/.test(await fixture.registry.metrics()));
    await fixture.api.stop(1000);
    expect((await held).status).toBe(404);
    const metrics = await fixture.registry.metrics();
    expect(metrics).toMatch(/requests_total\{route="\/play",status="404".*\} 1/);
    expect(metrics).toMatch(/requests_total\{route="\/v1",status="200".*\} \d/);
  });
});
