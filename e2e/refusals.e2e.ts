import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { start, stopAll } from './verbs/children.ts';
import { makeClip, USUAL } from './verbs/clip.ts';
import type { Clip } from './verbs/clip.ts';
import { SMALL_RUNG, TEST_DEADLINE_MS } from './verbs/form.ts';
import {
  api,
  createChannel,
  createStreamKey,
  sessionOf,
  startMillrace,
  waitForPlayable,
  waitForSegments,
} from './verbs/millrace.ts';
import type { Channel, Millrace } from './verbs/millrace.ts';
import { publish } from './verbs/publish.ts';
import type { Publisher } from './verbs/publish.ts';
import { followRows } from './verbs/served-rows.ts';
import { waitFor } from './verbs/wait-for.ts';

/** An encoder whose key was taken back sends on for no longer. */
const DROPPED_WITHIN_MS = 5000;
/** Until the last segment of a session that waits a second for its encoder is followed by the end. */
const PLAYED_OUT_WITHIN_MS = 15_000;

let millrace: Millrace;
let channel: Channel;
let clip: Clip;
const secrets: string[] = [];

beforeAll(async () => {
  millrace = await startMillrace({ logLevel: 'debug' });
  secrets.push(millrace.adminToken);
  channel = await createChannel(millrace, 'refusals', { ladder: [SMALL_RUNG], takeover: 'reject' });
  secrets.push(channel.streamKey);
  clip = await makeClip({ ...USUAL, seconds: 30 });
}, TEST_DEADLINE_MS);

afterAll(stopAll);

/** A channel of its own for a test. */
async function open(name: string, settings: Readonly<Record<string, unknown>> = {}): Promise<Channel> {
  const opened = await createChannel(millrace, name, { ladder: [SMALL_RUNG], ...settings });
  secrets.push(opened.streamKey);
  return opened;
}

/** The encoder is told why and gone within the time that it may take. */
async function expectDropped(encoder: Publisher, words: RegExp): Promise<void> {
  const deadline = delay(DROPPED_WITHIN_MS, undefined, { ref: false });
  expect(await Promise.race([encoder.ended, deadline])).toMatchObject({ code: expect.any(Number) });
  expect((await encoder.ended).code).not.toBe(0);
  expect(encoder.stderr()).toMatch(words);
}

/** Publishes and gives what the encoder says when it is refused. */
async function refusalOf(url: string): Promise<string> {
  const encoder = start('ffmpeg', [
    ...['-hide_banner', '-nostdin', '-v', 'verbose', '-re', '-i', clip.path, '-c', 'copy', '-t', '8'],
    ...['-f', 'flv', url],
  ]);
  const { code } = await encoder.ended;
  expect(code).not.toBe(0);
  return encoder.stderr();
}

describe('an encoder is refused with a reason that its user sees', () => {
  test(
    'a wrong key',
    async () => {
      const wrong = 'this-key-is-wrong-0123456789';
      secrets.push(wrong);
      expect(await refusalOf(`${millrace.rtmp}/${wrong}`)).toMatch(/Server error: .*stream key/i);
    },
    TEST_DEADLINE_MS,
  );

  test(
    'a revoked key',
    async () => {
      const key = await createStreamKey(millrace, channel.name);
      secrets.push(key.streamKey);
      await api(millrace, 'DELETE', `/channels/${channel.name}/stream-keys/${key.id}`);
      expect(await refusalOf(`${millrace.rtmp}/${key.streamKey}`)).toMatch(/Server error: .*stream key/i);
    },
    TEST_DEADLINE_MS,
  );

  test(
    'an application that does not exist',
    async () => {
      const url = channel.publishUrl.replace('/live/', '/nothing/');
      expect(await refusalOf(url)).toMatch(/Server error: .*app/i);
    },
    TEST_DEADLINE_MS,
  );

  test(
    'a second encoder where the first stays: the first goes on',
    async () => {
      const first = publish(channel.publishUrl, clip, { isLooping: true });
      await waitForPlayable(channel);
      expect(await refusalOf(channel.publishUrl)).toMatch(/Server error: .*(?:already|publish|encoder)/i);
      expect(first.isRunning()).toBe(true);
      await first.stop();
    },
    TEST_DEADLINE_MS,
  );

  test.each([
    {
      name: 'revoked',
      takeBack: (path: string) => api<undefined>(millrace, 'DELETE', path),
    },
    {
      name: 'rotated without overlap',
      takeBack: (path: string) => api<{ streamKey: string }>(millrace, 'POST', `${path}/rotate`, {}),
    },
  ])(
    'a key that is $name while its encoder is live: that one is dropped with words, another one goes on',
    async ({ name, takeBack }) => {
      const suffix = name.replaceAll(' ', '-');
      const [dropped, untouched] = await Promise.all([
        open(`dropped-${suffix}`),
        open(`untouched-${suffix}`),
      ]);
      const victim = publish(dropped.publishUrl, clip, { isLooping: true });
      const bystander = publish(untouched.publishUrl, clip, { isLooping: true });
      await Promise.all([waitForPlayable(dropped), waitForPlayable(untouched)]);

      const issued = await takeBack(`/channels/${dropped.name}/stream-keys/${dropped.streamKeyId}`);
      await expectDropped(victim, /Server error: .*stream key was revoked/i);
      expect(await refusalOf(dropped.publishUrl)).toMatch(/Server error: .*stream key/i);

      await waitForSegments(untouched, 3);
      expect(bystander.isRunning()).toBe(true);
      expect(await sessionOf(millrace, untouched)).toMatchObject({ state: 'live', periods: [{}] });
      await bystander.stop();

      if (issued === undefined) return;
      // The key that came in its place opens the same channel at once.
      secrets.push(issued.streamKey);
      const successor = publish(`${millrace.rtmp}/${issued.streamKey}`, clip, { isLooping: true });
      await waitFor('the new key publishes', async () => {
        const session = await sessionOf(millrace, dropped);
        return session?.state === 'live' && session.periods.length === 2;
      });
      await successor.stop();
    },
    TEST_DEADLINE_MS,
  );

  test(
    'a channel that is disabled while it is live: its encoder is dropped with words and stays out, its session ends, another one goes on',
    async () => {
      const settings = { graceSeconds: 1 };
      const [disabled, untouched] = await Promise.all([
        open('disabled', settings),
        open('untouched-by-disabling'),
      ]);
      const victim = publish(disabled.publishUrl, clip, { isLooping: true });
      const bystander = publish(untouched.publishUrl, clip, { isLooping: true });
      await Promise.all([waitForPlayable(disabled), waitForPlayable(untouched)]);
      const live = await sessionOf(millrace, disabled);

      const enable = (isEnabled: boolean): Promise<unknown> =>
        api(millrace, 'PUT', `/channels/${disabled.name}`, {
          settings: { ladder: [SMALL_RUNG], ...settings, isEnabled },
        });
      await enable(false);
      await expectDropped(victim, /Server error: .*channel was disabled/i);
      expect(await refusalOf(disabled.publishUrl)).toMatch(/Server error: .*channel is disabled/i);
      // Its players see it out.
      await followRows(millrace.http, live?.id ?? '', [SMALL_RUNG.name], PLAYED_OUT_WITHIN_MS);
      expect(await sessionOf(millrace, disabled)).toMatchObject({ id: live?.id, state: 'ended' });

      await waitForSegments(untouched, 3);
      expect(bystander.isRunning()).toBe(true);
      expect(await sessionOf(millrace, untouched)).toMatchObject({ state: 'live', periods: [{}] });
      await bystander.stop();

      await enable(true);
      const again = publish(disabled.publishUrl, clip, { isLooping: true });
      await waitFor('it is live again, in a session of its own', async () => {
        const next = await sessionOf(millrace, disabled);
        return next?.state === 'live' && next.id !== live?.id;
      });
      await again.stop();
    },
    TEST_DEADLINE_MS,
  );

  test('no key and no token is in any log, at any level', () => {
    const logs = millrace.logs();
    for (const id of ['STREAM_KEY_REJECTED', 'APP_UNKNOWN', 'CHANNEL_IN_USE'])
      expect(logs).toContain(`INGEST_${id}`);
    expect(secrets.length).toBeGreaterThanOrEqual(4);
    for (const secret of secrets) expect(logs.includes(secret)).toBe(false);
  });
});
