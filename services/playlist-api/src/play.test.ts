import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createFixture } from './testing/fixture.ts';
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
});
