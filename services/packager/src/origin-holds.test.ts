import { connect } from 'node:net';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { FIRST_K, PackagerHarness } from './testing/packager-harness.ts';
import { initSegment, part } from './testing/synthetic-parts.ts';

let harness: PackagerHarness | undefined;

async function start(options?: Parameters<typeof PackagerHarness.start>[0]): Promise<PackagerHarness> {
  harness = await PackagerHarness.start(options);
  return harness;
}

afterEach(async () => {
  jest.useRealTimers();
  await harness?.stop();
  harness = undefined;
});

function waiters(origin: PackagerHarness): Promise<number> {
  return origin.metric('millrace_packager_waiters');
}

async function untilWaiting(origin: PackagerHarness, count: number): Promise<void> {
  await origin.until(async () => (await waiters(origin)) === count);
}

describe('a segment that is not there yet', () => {
  test('is held when it is due within two segments, until it is complete', async () => {
    const origin = await start();
    const stream = await origin.publish(2);
    const next = origin.get(`720p/${FIRST_K + 2}.m4s`);
    const afterNext = origin.get(`720p/${FIRST_K + 3}.m4s`);
    await untilWaiting(origin, 2);
    await origin.publishSegment(stream, FIRST_K + 2, ['720p']);
    expect((await next).status).toBe(200);
    expect(await waiters(origin)).toBe(1);
    await origin.publishSegment(stream, FIRST_K + 3, ['720p']);
    expect((await afterNext).status).toBe(200);
    expect(await waiters(origin)).toBe(0);
  });

  test('is too early when it lies further ahead (T-7)', async () => {
    const origin = await start();
    await origin.publish(2);
    const answer = await origin.get(`720p/${FIRST_K + 4}.m4s`);
    expect([answer.status, answer.headers['cache-control']]).toEqual([425, 'no-store']);
  });

  test('is due by what ingest has begun, also before the first row', async () => {
    const origin = await start();
    const held = origin.get(`720p/${FIRST_K + 1}.m4s`);
    await untilWaiting(origin, 1);
    expect((await origin.get(`720p/${FIRST_K + 2}.m4s`)).status).toBe(425);
    await origin.publish(2, ['720p']);
    expect((await held).status).toBe(200);
  });

  test('is 404 once it turns out that it will never be: the next period begins behind it', async () => {
    const origin = await start();
    const stream = await origin.publish(1, ['720p']);
    const held = origin.get(`720p/${FIRST_K + 1}.m4s`);
    await untilWaiting(origin, 1);
    await stream.publishInit(initSegment('720p', 1));
    const row = { period: 1, msn: FIRST_K + 1, discontinuitySequence: 1, hasDiscontinuity: true };
    for (const index of [0, 1]) await stream.publishPart(part('720p', FIRST_K + 3, index, row));
    expect((await held).status).toBe(404);
  });

  test('is 503 with Retry-After in a stall, after three target durations', async () => {
    const origin = await start({ presentation: { targetDurationSeconds: 0.05 } });
    const answer = await origin.get(`720p/${FIRST_K}.m4s`);
    expect([answer.status, answer.headers['retry-after'], answer.headers['cache-control']]).toEqual([
      503,
      '1',
      'no-store',
    ]);
  });

  test('is given up at once when the client goes away (O-6)', async () => {
    const origin = await start();
    await origin.publish(1, ['720p']);
    const abort = new AbortController();
    const held = origin.get(`720p/${FIRST_K + 1}.m4s`, { signal: abort.signal });
    await untilWaiting(origin, 1);
    abort.abort();
    await expect(held).rejects.toMatchObject({ name: 'AbortError' });
    await untilWaiting(origin, 0);
  });

  test('is 503 when as many are held as may be', async () => {
    const origin = await start({ config: { limits: { maxWaiters: 2 } } });
    await origin.publish(1, ['720p']);
    const held = [1, 2].map((ahead) => origin.get(`720p/${FIRST_K + ahead}.m4s`));
    await untilWaiting(origin, 2);
    expect((await origin.get(`720p/${FIRST_K + 1}.m4s`)).status).toBe(503);
    expect((await origin.get('720p/index.m3u8')).status).toBe(200);
    await origin.packager.stop(1000);
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([503, 503]);
  });

  test('does not hold up a pipelined request for longer than itself', async () => {
    const origin = await start();
    const stream = await origin.publish(1, ['720p']);
    const socket = connect(origin.port, '127.0.0.1');
    const line = (rest: string): string => `GET ${origin.path(rest)} HTTP/1.1\r\nHost: x\r\n\r\n`;
    socket.write(line(`720p/${FIRST_K + 1}.m4s`) + line('720p/init-0.mp4'));
    await untilWaiting(origin, 1);
    await origin.publishSegment(stream, FIRST_K + 1, ['720p']);
    let received = '';
    for await (const chunk of socket) {
      received += (chunk as Buffer).toString('latin1');
      if (received.split('HTTP/1.1 200 OK').length === 3) break;
    }
    expect(received.split('HTTP/1.1 200 OK').length).toBe(3);
  });
});

describe('a playlist before its first segment', () => {
  test('is held until there is one, also when the session has not been prepared', async () => {
    const origin = await start({ presentation: 'none' });
    const held = origin.get('720p/index.m3u8');
    await untilWaiting(origin, 1);
    await origin.prepare();
    await origin.publish(1);
    expect((await held).status).toBe(200);
  });

  test('is 404 when the time is over', async () => {
    const origin = await start({ config: { startHoldMs: 20 } });
    const answer = await origin.get('720p/index.m3u8');
    expect([answer.status, answer.headers['cache-control']]).toEqual([404, 'no-store']);
  });

  test('is 404 at once for a rendition that the session does not have', async () => {
    const origin = await start();
    expect((await origin.get('1080p/index.m3u8')).status).toBe(404);
  });
});

describe('in a gap and at the end', () => {
  test('media and playlist stay as they are while there is no publication', async () => {
    const origin = await start();
    await origin.publish(7);
    const before = await origin.get('720p/index.m3u8');
    origin.clock.advance(20_000);
    const after = await origin.get('720p/index.m3u8');
    expect([after.status, after.headers.etag]).toEqual([200, before.headers.etag]);
    expect((await origin.get(`720p/${FIRST_K}.m4s`)).status).toBe(200);
  });

  test('what slid out stays for its duration and the longest playlist, then it is 410 (H-8, O-4)', async () => {
    const origin = await start();
    const stream = await origin.publish(7, ['720p']);
    // The first segment slid out just now: 2 s of its own and 12 s of playlist.
    origin.clock.advance(13_999);
    await origin.publishSegment(stream, FIRST_K + 7, ['720p']);
    expect((await origin.get(`720p/${FIRST_K}.m4s`)).status).toBe(200);
    origin.clock.advance(1);
    await origin.publishSegment(stream, FIRST_K + 8, ['720p']);
    const gone = await origin.get(`720p/${FIRST_K}.m4s`);
    expect([gone.status, gone.headers['cache-control']]).toEqual([410, 'public, max-age=3600']);
    expect((await origin.get(`720p/${FIRST_K}.0.m4s`)).status).toBe(410);
    expect((await origin.get(`720p/${FIRST_K}.ts`)).status).toBe(410);
    expect((await origin.get(`720p/${FIRST_K + 1}.m4s`)).status).toBe(200);
    expect((await origin.get(`720p/${FIRST_K - 1}.m4s`)).status).toBe(404);
  });

  test('ENDLIST comes with the end, and who waits for a segment is told', async () => {
    const origin = await start();
    const stream = await origin.publish(2, ['720p']);
    const held = origin.get(`720p/${FIRST_K + 2}.m4s`);
    await untilWaiting(origin, 1);
    const live = await origin.get('720p/index.m3u8');
    expect(live.body.toString()).not.toContain('ENDLIST');
    await origin.end();
    // The worker may still have rows to bring.
    expect((await origin.get('720p/index.m3u8')).body.toString()).not.toContain('ENDLIST');
    stream.close();
    expect((await held).status).toBe(404);
    const ended = await origin.get('720p/index.m3u8');
    expect(ended.body.toString()).toBe(`${live.body.toString()}#EXT-X-ENDLIST\n`);
    expect(ended.headers['cache-control']).toBe('public, max-age=3600');
    await expect(origin.open(2)).rejects.toMatchObject({ id: 'PACKAGER_SESSION_ENDED' });
    expect((await origin.get(`720p/${FIRST_K + 1}.m4s`)).status).toBe(200);
  });

  test('after the window and H-8 everything of it is 410', async () => {
    const origin = await start();
    const stream = await origin.publish(1, ['720p']);
    stream.close();
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'Date'] });
    await origin.end();
    // Twice six segments of 2 s and one, although the session had only one.
    jest.advanceTimersByTime(25_999);
    expect((await origin.get('720p/index.m3u8')).status).toBe(200);
    jest.advanceTimersByTime(1);
    expect((await origin.get('720p/index.m3u8')).status).toBe(410);
    for (const path of [`720p/${FIRST_K}.m4s`, '720p/init-0.mp4', 'audio/index.m3u8'])
      expect((await origin.get(path)).status).toBe(410);
    expect(await origin.metric('millrace_packager_media_bytes')).toBe(0);
    expect(await origin.metric('millrace_packager_sessions')).toBe(0);
  });
});
