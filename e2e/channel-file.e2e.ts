import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { start, stopAll, temporaryDirectory } from './verbs/children.ts';
import { makeClip, USUAL } from './verbs/clip.ts';
import { TEST_DEADLINE_MS } from './verbs/form.ts';
import { api, startMillrace, withLogs } from './verbs/millrace.ts';
import { publish } from './verbs/publish.ts';
import { waitFor } from './verbs/wait-for.ts';

const KEY = 'written-in-the-file-0123456789';
const CHANNELS = `# As an operator writes it.
ladders:
  small:
    - { name: 240p, width: 426, height: 240, bitrateBps: 500000 }
    - { name: 144p, width: 256, height: 144, bitrateBps: 200000 }
channels:
  from-a-file:
    settings:
      title: From a file
      ladder: small
    streamKeys:
      - { name: studio, key: ${KEY} }
`;

afterAll(stopAll);

test(
  'a channel of a YAML file is published to with the key in it, and has the ladder in it',
  async () => {
    const file = join(temporaryDirectory('channels'), 'channels.yaml');
    writeFileSync(file, CHANNELS);
    const millrace = await startMillrace({ playlistApi: { channelFiles: [file] }, logLevel: 'debug' });
    await withLogs(
      () => millrace,
      async () => {
        const clip = await makeClip({ ...USUAL, seconds: 30 });
        const stranger = start('ffmpeg', [
          ...['-hide_banner', '-nostdin', '-v', 'error', '-re', '-i', clip.path, '-c', 'copy'],
          ...['-t', '8', '-f', 'flv', `${millrace.rtmp}/not-${KEY}`],
        ]);
        expect((await stranger.ended).code).not.toBe(0);

        const publisher = publish(`${millrace.rtmp}/${KEY}`, clip, { isLooping: true });
        const playlist = await waitFor(
          'from-a-file is playable',
          async () => {
            const response = await fetch(`${millrace.http}/play/from-a-file/index.m3u8`);
            const text = await response.text();
            return response.status === 200 && text;
          },
          TEST_DEADLINE_MS / 2,
        );
        const sizes = [...playlist.matchAll(/RESOLUTION=(\w+)/g)].map(([, size]) => size);
        expect(new Set(sizes)).toEqual(new Set(['256x144', '426x240']));
        const channel = await api(millrace, 'GET', '/channels/from-a-file');
        expect(channel).toMatchObject({ settings: { title: 'From a file' }, session: { state: 'live' } });
        expect(JSON.stringify(channel)).not.toContain(KEY);
        expect(millrace.logs().includes(KEY)).toBe(false);
        await publisher.stop();
      },
    );
  },
  TEST_DEADLINE_MS,
);
