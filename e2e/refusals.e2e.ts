import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { start, stopAll } from './verbs/children.ts';
import { makeClip, USUAL } from './verbs/clip.ts';
import type { Clip } from './verbs/clip.ts';
import { SMALL_RUNG, TEST_DEADLINE_MS } from './verbs/form.ts';
import { api, createChannel, createStreamKey, startMillrace, waitForPlayable } from './verbs/millrace.ts';
import type { Channel, Millrace } from './verbs/millrace.ts';
import { publish } from './verbs/publish.ts';

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

  test('no key and no token is in any log, at any level', () => {
    const logs = millrace.logs();
    for (const id of ['STREAM_KEY_REJECTED', 'APP_UNKNOWN', 'CHANNEL_IN_USE'])
      expect(logs).toContain(`INGEST_${id}`);
    expect(secrets.length).toBeGreaterThanOrEqual(4);
    for (const secret of secrets) expect(logs.includes(secret)).toBe(false);
  });
});
