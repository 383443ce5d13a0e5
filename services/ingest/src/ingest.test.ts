import { afterEach, describe, expect, test } from '@jest/globals';
import { relay, session } from '@millrace/contracts';
import type { FlvTag } from '@millrace/media';
import { Encoder, readFlv } from './testing/encoder.ts';
import { keyOf, readPeriod, startFixture } from './testing/fixture.ts';
import type { IngestFixture } from './testing/fixture.ts';

/** One second of H.264 with B-frames at 30 fps and AAC at 48 kHz. */
const SECOND = readFlv(new URL('../../../packages/media/src/testdata/b-frames.flv', import.meta.url));
const isHeader = (tag: FlvTag): boolean => tag.type !== 'script' && tag.body[1] === 0;
const MEDIA = SECOND.filter((tag) => tag.type !== 'script' && !isHeader(tag) && tag.body[1] === 1);
const VIDEO_FRAMES = MEDIA.filter((tag) => tag.type === 'video').length;
const VIDEO = 1;
const AUDIO = 2;

let fixture: IngestFixture | undefined;
const encoders: Encoder[] = [];

async function start(options?: Parameters<typeof startFixture>[0]): Promise<IngestFixture> {
  fixture = await startFixture(options);
  return fixture;
}

function encode(port: number, options: ConstructorParameters<typeof Encoder>[1]): Encoder {
  const encoder = new Encoder(port, options);
  encoders.push(encoder);
  return encoder;
}

/** Publishes `seconds` of media at once. */
function publish(encoder: Encoder, seconds = 1, fromMs = 0): void {
  encoder.send(SECOND, fromMs);
  for (let second = 1; second < seconds; second += 1) encoder.send(MEDIA, fromMs + second * 1000);
}

function countVideo(fragments: readonly relay.Fragment[]): number {
  return fragments.filter(({ trackId }) => trackId === VIDEO).length;
}

/** What playlist-api says when a key is changed. */
function changeKey({ bus }: IngestFixture, channel: string, change: string): void {
  bus.publish({
    id: `${channel}-${change}`,
    source: '/playlist-api/1',
    timeMs: Date.now(),
    subject: '',
    channel,
    event: { type: 'StreamKeyChanged', data: { channel, streamKeyId: `key-of-${channel}`, change } },
  });
}

/** What playlist-api says when a channel is changed. */
function changeChannel({ bus }: IngestFixture, channel: string, change: string): void {
  bus.publish({
    id: `${channel}-${change}`,
    source: '/playlist-api/1',
    timeMs: Date.now(),
    subject: '',
    channel,
    event: { type: 'ChannelChanged', data: { channel, change } },
  });
}

async function sessionIdOf({ waitForEvent }: IngestFixture): Promise<string> {
  const event = await waitForEvent(({ type }) => type === 'PeriodOpened');
  return event.type === 'PeriodOpened' ? event.data.sessionId : '';
}

afterEach(async () => {
  for (const encoder of encoders.splice(0)) encoder.kill();
  await fixture?.stop();
  fixture = undefined;
});

describe('ingest', () => {
  test('relays every access unit once, in order, on exact times, from the first IDR on the grid', async () => {
    const running = await start();
    const encoder = encode(running.port, { streamKey: keyOf('news') });
    expect(await encoder.isPublishing).toBe(true);
    publish(encoder, 3);
    const sessionId = await sessionIdOf(running);
    const reading = readPeriod(running.ingest, { sessionId, period: 0 });
    encoder.kill();
    const { period, fragments, wallClocks, end } = await reading;
    const video = fragments.filter((fragment) => fragment.trackId === VIDEO);
    const audio = fragments.filter((fragment) => fragment.trackId === AUDIO);
    expect(video).toHaveLength(3 * VIDEO_FRAMES);
    expect(video[0]?.dts).toBe(period?.startTicks);
    expect(video[0]?.isRandomAccess).toBe(true);
    expect((period?.startTicks ?? 1) % 90_000).toBe(0);
    expect(new Set(video.slice(1).map((fragment, index) => fragment.dts - (video[index]?.dts ?? 0)))).toEqual(
      new Set([3000]),
    );
    expect(new Set(audio.slice(1).map((fragment, index) => fragment.dts - (audio[index]?.dts ?? 0)))).toEqual(
      new Set([1024]),
    );
    expect(audio.length).toBeGreaterThan(3 * 46);
    const last = fragments.reduce(
      (k, { trackId, dts }) => Math.max(k, Math.floor((dts + 45) / (trackId === VIDEO ? 90_000 : 48_000))),
      0,
    );
    const firstK = period?.firstK ?? 0;
    expect(last).toBeGreaterThanOrEqual(firstK + 2);
    expect(wallClocks.map(({ k }) => k)).toEqual(
      Array.from({ length: last - firstK + 1 }, (_, index) => firstK + index),
    );
    expect(end).toBe(relay.EndReason.PERIOD_ENDED);
    expect(fragments.every((fragment) => !fragment.isFiller)).toBe(true);
  });

  test('a subscriber that resumes begins at the IDR before its position, with the audio a decoder needs', async () => {
    const running = await start();
    const encoder = encode(running.port, { streamKey: keyOf('news') });
    await encoder.isPublishing;
    publish(encoder, 3);
    const sessionId = await sessionIdOf(running);
    const startTicks =
      (
        await readPeriod(
          running.ingest,
          { sessionId, period: 0 },
          (read) => countVideo(read) > 2 * VIDEO_FRAMES,
        )
      ).period?.startTicks ?? 0;
    // GOP 15: the IDR before 1.7 s is at 1.5 s.
    const fromTicks = startTicks + 153_000;
    encoder.kill();
    const { fragments, wallClocks } = await readPeriod(running.ingest, { sessionId, period: 0, fromTicks });
    const video = fragments.filter((fragment) => fragment.trackId === VIDEO);
    const [audio] = fragments.filter((fragment) => fragment.trackId === AUDIO);
    expect(video[0]?.dts).toBe(startTicks + 135_000);
    expect(video[0]?.isRandomAccess).toBe(true);
    const audioSeconds = (audio?.dts ?? 0) / 48_000 - (startTicks + 135_000) / 90_000;
    expect(audioSeconds).toBeLessThanOrEqual((-2 * 1024) / 48_000);
    expect(audioSeconds).toBeGreaterThan(-0.2);
    expect(wallClocks.map(({ k }) => k)).toContain(Math.floor(fromTicks / 90_000));
  });

  test('a reconnect continues the session with the next period, two segments on or more', async () => {
    const running = await start();
    const first = encode(running.port, { streamKey: keyOf('news') });
    await first.isPublishing;
    publish(first, 2);
    const sessionId = await sessionIdOf(running);
    first.kill();
    const before = await readPeriod(running.ingest, { sessionId, period: 0 });
    const second = encode(running.port, { streamKey: keyOf('news') });
    expect(await second.isPublishing).toBe(true);
    publish(second, 1);
    const after = await readPeriod(
      running.ingest,
      { sessionId, period: 1 },
      (read) => read.length >= VIDEO_FRAMES,
    );
    expect(after.period?.reason).toBe('reconnect');
    expect(after.period?.firstK).toBeGreaterThanOrEqual((before.wallClocks.at(-1)?.k ?? 0) + 2);
    expect(running.events.filter(({ type }) => type === 'SessionOpened')).toHaveLength(1);
  });

  test('a second encoder with the right key takes over at once; the first is told and may not take back', async () => {
    const running = await start();
    const first = encode(running.port, { streamKey: keyOf('news'), name: 'first' });
    await first.isPublishing;
    publish(first);
    const sessionId = await sessionIdOf(running);
    const second = encode(running.port, { streamKey: keyOf('news'), name: 'second' });
    expect(await second.isPublishing).toBe(true);
    const told = await first.end;
    expect(told).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('taken this channel over'),
    });
    publish(second);
    const { period } = await readPeriod(running.ingest, { sessionId, period: 1 }, (read) => read.length > 0);
    expect(period?.reason).toBe('takeover');
    const again = encode(running.port, { streamKey: keyOf('news'), name: 'first' });
    expect(await again.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('30 seconds'),
    });
    expect(await running.metric('millrace_ingest_publications')).toBeLessThanOrEqual(1);
  });

  test('under the policy reject a second publisher is refused and the first goes on', async () => {
    const running = await start({ channel: { takeoverPolicy: session.TakeoverPolicy.REJECT } });
    const first = encode(running.port, { streamKey: keyOf('news') });
    await first.isPublishing;
    publish(first);
    const sessionId = await sessionIdOf(running);
    const second = encode(running.port, { streamKey: keyOf('news'), name: 'second' });
    expect(await second.end).toMatchObject({ kind: 'rejected', code: 'NetStream.Publish.BadName' });
    publish(first, 1, 1000);
    const { fragments } = await readPeriod(
      running.ingest,
      { sessionId, period: 0 },
      (read) => read.filter((fragment) => fragment.trackId === VIDEO).length >= 2 * VIDEO_FRAMES,
    );
    expect(fragments.length).toBeGreaterThanOrEqual(2 * VIDEO_FRAMES);
  });

  test.each([
    ['a wrong key', { streamKey: 'guessed-key-1' }, 'INGEST_STREAM_KEY_REJECTED', 'stream key is not valid'],
    [
      'an unknown application',
      { app: 'other', streamKey: keyOf('news') },
      'INGEST_APP_UNKNOWN',
      'must end in /live',
    ],
  ])(
    '%s is refused with words that people see, counted, and never logged',
    async (_name, options, id, text) => {
      const running = await start();
      const encoder = encode(running.port, options);
      expect(await encoder.end).toMatchObject({
        kind: 'rejected',
        code: 'NetStream.Publish.BadName',
        description: expect.stringContaining(text),
      });
      expect(await running.metric('millrace_ingest_refused_total', { reason: id })).toBe(1);
      expect(running.log()).toContain(id);
      expect(running.log()).not.toContain(options.streamKey);
    },
  );

  test('no key appears in any log while publishing, reconnecting and taking over', async () => {
    const running = await start();
    const first = encode(running.port, { streamKey: keyOf('news'), name: 'first' });
    await first.isPublishing;
    publish(first);
    await sessionIdOf(running);
    const second = encode(running.port, { streamKey: keyOf('news'), name: 'second' });
    await second.isPublishing;
    await first.end;
    expect(running.log().length).toBeGreaterThan(100);
    expect(running.log()).not.toContain(keyOf('news'));
  });

  test.each([
    ['revoked', ['revoked']],
    ['rotated without an overlap', ['rotated', 'revoked']],
  ] as const)('a key that is %s while in use ends the publication with words', async (_name, changes) => {
    const running = await start();
    const other = encode(running.port, { streamKey: keyOf('sport') });
    await other.isPublishing;
    const encoder = encode(running.port, { streamKey: keyOf('news') });
    await encoder.isPublishing;
    publish(encoder);
    for (const change of changes) changeKey(running, 'news', change);
    expect(await encoder.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('revoked'),
    });
    const lost = await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(lost.data).toMatchObject({ channel: 'news', reason: 'key-revoked' });
    expect(running.events.filter(({ type }) => type === 'PublicationLost')).toHaveLength(1);
  });

  test('a channel that is disabled while it is live ends its publication with words, and no other; its session waits', async () => {
    const running = await start();
    const other = encode(running.port, { streamKey: keyOf('sport') });
    await other.isPublishing;
    const encoder = encode(running.port, { streamKey: keyOf('news') });
    await encoder.isPublishing;
    publish(encoder);
    const sessionId = await sessionIdOf(running);
    // Settings that change are no reason to end anything.
    changeChannel(running, 'sport', 'updated');
    changeChannel(running, 'news', 'disabled');
    expect(await encoder.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('The channel was disabled'),
    });
    const lost = await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(lost.data).toMatchObject({ channel: 'news', reason: 'channel-disabled' });
    for await (const record of running.store.watch(AbortSignal.timeout(5000))) {
      if (record.sessionId === sessionId && record.state === session.SessionState.GAP) break;
    }
    expect(running.events.filter(({ type }) => type === 'PublicationLost')).toHaveLength(1);
    changeChannel(running, 'sport', 'disabled');
    expect(await other.end).toMatchObject({ description: expect.stringContaining('disabled') });
  });

  test('a key that is rotated with an overlap while in use goes on publishing until the overlap is over', async () => {
    const running = await start();
    const encoder = encode(running.port, { streamKey: keyOf('news') });
    await encoder.isPublishing;
    publish(encoder);
    const sessionId = await sessionIdOf(running);
    changeKey(running, 'news', 'rotated');
    publish(encoder, 1, 1000);
    const { fragments } = await readPeriod(
      running.ingest,
      { sessionId, period: 0 },
      (read) => countVideo(read) >= 2 * VIDEO_FRAMES,
    );
    expect(countVideo(fragments)).toBe(2 * VIDEO_FRAMES);
    expect(running.events.map(({ type }) => type)).not.toContain('PublicationLost');
    changeKey(running, 'news', 'revoked');
    expect(await encoder.end).toMatchObject({ description: expect.stringContaining('revoked') });
  });

  test.each([
    ['HEVC as codec id 12', 'video', [0x1c, 1, 0, 0, 0, 1], 'HEVC'],
    ['HEVC by Enhanced RTMP', 'video', [0x90, ...Buffer.from('hvc1'), 1], 'HEVC'],
    ['AV1 by Enhanced RTMP', 'video', [0x90, ...Buffer.from('av01'), 1], 'AV1'],
    ['MP3', 'audio', [0x2f, 1, 2, 3], 'MP3'],
    ['Speex', 'audio', [0xb2, 1, 2, 3], 'Speex'],
    ['Opus by Enhanced RTMP', 'audio', [0x90, ...Buffer.from('Opus'), 1], 'Opus'],
  ] as const)(
    '%s is refused with the name of the codec and of what to set',
    async (_name, type, body, codec) => {
      const running = await start();
      const encoder = encode(running.port, { streamKey: keyOf('news') });
      await encoder.isPublishing;
      encoder.send([{ type, timestampMs: 0, body: Uint8Array.from(body) }]);
      const end = await encoder.end;
      expect(end).toMatchObject({ kind: 'rejected', description: expect.stringContaining(codec) });
      expect(end).toMatchObject({ description: expect.stringMatching(/set the encoder to (H\.264|AAC)/) });
      expect(
        await running.metric('millrace_ingest_refused_total', { reason: 'INGEST_CODEC_UNSUPPORTED' }),
      ).toBe(1);
    },
  );

  test('garbage on one connection ends that one, named and counted; the others do not notice', async () => {
    const running = await start();
    const good = encode(running.port, { streamKey: keyOf('news') });
    await good.isPublishing;
    publish(good);
    const sessionId = await sessionIdOf(running);
    const bad = encode(running.port, { streamKey: keyOf('sport') });
    await bad.isPublishing;
    bad.sendRaw(Buffer.alloc(4096, 0xff));
    await bad.end;
    const http = encode(running.port, { streamKey: 'x' });
    http.sendRaw(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    publish(good, 1, 1000);
    const { fragments } = await readPeriod(
      running.ingest,
      { sessionId, period: 0 },
      (read) => read.filter((fragment) => fragment.trackId === VIDEO).length >= 2 * VIDEO_FRAMES,
    );
    expect(fragments.filter((fragment) => fragment.trackId === VIDEO)).toHaveLength(2 * VIDEO_FRAMES);
    expect(await running.metric('millrace_ingest_refused_total')).toBeGreaterThanOrEqual(1);
  });

  test('a configuration that cannot be read ends its connection with a status', async () => {
    const running = await start();
    const encoder = encode(running.port, { streamKey: keyOf('news') });
    await encoder.isPublishing;
    encoder.send([{ type: 'video', timestampMs: 0, body: Uint8Array.of(0x17, 0, 0, 0, 0, 9, 9) }]);
    expect(await encoder.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('set the encoder to H.264'),
    });
    const reason = 'INGEST_CONFIGURATION_MALFORMED';
    expect(await running.metric('millrace_ingest_refused_total', { reason })).toBe(1);
  });

  test('when the session is over its readers are told and its memory is freed', async () => {
    const running = await start({ channel: { graceSeconds: 0 } });
    const encoder = encode(running.port, { streamKey: keyOf('news') });
    await encoder.isPublishing;
    publish(encoder);
    const sessionId = await sessionIdOf(running);
    encoder.kill();
    await running.waitForEvent(({ type }) => type === 'PublicationLost');
    const next = readPeriod(running.ingest, { sessionId, period: 1 });
    while ((await running.store.sweep()).length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await next).end).toBe(relay.EndReason.SESSION_ENDED);
    expect((await readPeriod(running.ingest, { sessionId, period: 0 })).end).toBe(
      relay.EndReason.SESSION_ENDED,
    );
    expect(await running.metric('millrace_ingest_session_age_seconds', { channel: 'news' })).toBe(0);
  });
});
