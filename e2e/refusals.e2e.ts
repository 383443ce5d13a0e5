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
import { waitFor } from './verbs/wait-for.ts';

/** An encoder whose key was taken back sends on for no longer. */
const DROPPED_WITHIN_MS = 5000;

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
      const open = async (role: string): Promise<Channel> => {
        const opened = await createChannel(millrace, `${role}-${name.replaceAll(' ', '-')}`, {
          ladder: [SMALL_RUNG],
        });
        secrets.push(opened.streamKey);
        return opened;
      };
      const [dropped, untouched] = await Promise.all([open('dropped'), open('untouched')]);
      const victim = publish(dropped.publishUrl, clip, { isLooping: true });
      const bystander = publish(untouched.publishUrl, clip, { isLooping: true });
      await Promise.all([waitForPlayable(dropped), waitForPlayable(untouched)]);

      const issued = await takeBack(`/channels/${dropped.name}/stream-keys/${dropped.streamKeyId}`);
      const deadline = delay(DROPPED_WITHIN_MS, undefined, { ref: false });
      expect(await Promise.race([victim.ended, deadline])).toMatchObject({ code: expect.any(Number) });
      expect((await victim.ended).code).not.toBe(0);
      expect(victim.stderr()).toMatch(/Server error: .*stream key was revoked/i);
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

  test('no key and no token is in any log, at any level', () => {
    const logs = millrace.logs();
    for (const id of ['STREAM_KEY_REJECTED', 'APP_UNKNOWN', 'CHANNEL_IN_USE'])
      expect(logs).toContain(`INGEST_${id}`);
    expect(secrets.length).toBeGreaterThanOrEqual(4);
    for (const secret of secrets) expect(logs.includes(secret)).toBe(false);
  });
});
