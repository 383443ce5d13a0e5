import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { testPictureArguments } from '../../scripts/test-picture.ts';
import { start, stopAll } from '../verbs/children.ts';
import type { OwnedProcess } from '../verbs/children.ts';
import { isLong, SMALL_RUNG, TEST_DEADLINE_MS } from '../verbs/form.ts';
import { createChannel, startMillrace, waitForPlayable, withLogs } from '../verbs/millrace.ts';
import type { Channel, Millrace } from '../verbs/millrace.ts';
import { waitFor } from '../verbs/wait-for.ts';
import { startChromium } from './chromium.ts';

let browser: Browser;
let millrace: Millrace;
const DEADLINE = { timeout: 60_000 };

beforeAll(async () => {
  browser = await startChromium();
  millrace = await startMillrace();
}, TEST_DEADLINE_MS);

afterAll(async () => {
  await browser.close();
  await stopAll();
}, TEST_DEADLINE_MS);

/** Opens the page and notes every request that leaves its origin, and every script that fails. */
async function openPage(
  hash: string,
): Promise<{ readonly page: Page; readonly problems: readonly string[] }> {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'blob:' && url.origin !== millrace.http) problems.push(`foreign: ${request.url()}`);
  });
  page.on('pageerror', (error) => problems.push(`script: ${error.message}`));
  await page.goto(`${millrace.http}/${hash}`);
  return { page, problems };
}

/** Publishes the test picture with its clock. */
function publishTestPicture(channel: Channel): OwnedProcess {
  const picture = isLong
    ? { width: 1280, height: 720, frameRate: 30 }
    : { width: 426, height: 240, frameRate: 15 };
  return start(
    'ffmpeg',
    testPictureArguments({ ...picture, bitrateBps: 600_000, keyframeSeconds: 2, url: channel.publishUrl }),
  );
}

/** Waits for a text, without asking the page to evaluate anything: its policy forbids that. */
async function textOf(page: Page, selector: string, pattern: RegExp): Promise<string> {
  return waitFor(
    `${selector} says ${String(pattern)}`,
    async () => {
      const text = (await page.textContent(selector)) ?? '';
      return pattern.test(text) && text;
    },
    DEADLINE.timeout,
  );
}

/** All that the page holds: its markup, what its fields hold (no markup has that), and what it has stored. */
async function everythingIn(page: Page): Promise<string> {
  return page.locator('html').evaluate((root) => {
    const fields = [...root.querySelectorAll<HTMLInputElement>('input, textarea, select')];
    return [
      root.outerHTML,
      ...fields.map(({ value }) => value),
      JSON.stringify(localStorage),
      JSON.stringify(sessionStorage),
      document.cookie,
      location.href,
    ].join('\n');
  });
}

/** Enters the admin token and waits until the rest of the form is there. */
async function unlock(page: Page): Promise<void> {
  await page.fill('#token', millrace.adminToken);
  await page.click('#unlock button');
  await page.locator('#admin').waitFor(DEADLINE);
}

/** Makes a stream key for a channel and gives what the page shows. */
async function makeKey(page: Page, channel: string): Promise<string> {
  await page.locator(`#key-channel option[value="${channel}"]`).waitFor({ ...DEADLINE, state: 'attached' });
  await page.selectOption('#key-channel', channel);
  await page.click('#make-key button');
  await page.locator('#issued').waitFor(DEADLINE);
  const key = await page.inputValue('#stream-key');
  expect(key.length).toBeGreaterThan(15);
  expect(await everythingIn(page)).toContain(key);
  return key;
}

interface Played {
  readonly seconds: number;
  readonly audioBytes: number;
}

async function played(page: Page): Promise<Played> {
  return page.locator('#video').evaluate((element) => {
    const video = element as HTMLVideoElement & { readonly webkitAudioDecodedByteCount: number };
    return { seconds: video.currentTime, audioBytes: video.webkitAudioDecodedByteCount };
  });
}

describe('the page', () => {
  test(
    'lists a channel that starts while it is open, plays it, measures its latency in the picture, and says when it ends',
    async () =>
      withLogs(
        () => millrace,
        async () => {
          const channel = await createChannel(millrace, 'shown', { ladder: [SMALL_RUNG], graceSeconds: 2 });
          const { page, problems } = await openPage('#shown');
          await textOf(page, '#message', /not live/);
          expect(await page.locator('#channels li').count()).toBe(0);

          const publisher = publishTestPicture(channel);
          await waitForPlayable(channel);
          await page.locator('#channels [data-channel="shown"]').waitFor(DEADLINE);
          await textOf(page, '#resolution', /426 × 240/);
          await textOf(page, '#bitrate', /\d/);
          await page.locator('#latency[data-source="picture"]').waitFor(DEADLINE);
          const latency = Number.parseFloat(await textOf(page, '#latency', /\d/));
          expect(latency).toBeGreaterThan(0);
          expect(latency).toBeLessThan(20);
          const before = await played(page);
          const after = await waitFor(
            'the page has played 3 s more',
            async () => {
              const now = await played(page);
              return now.seconds > before.seconds + 3 && now;
            },
            DEADLINE.timeout,
          );
          expect(after.audioBytes).toBeGreaterThan(before.audioBytes);

          await publisher.stop();
          await textOf(page, '#message', /ended/);
          await page.locator('#channels li').waitFor({ ...DEADLINE, state: 'detached' });
          expect(problems).toEqual([]);
          await page.close();
        },
      ),
    TEST_DEADLINE_MS,
  );

  test(
    'makes a channel and a stream key after the token was entered, and shows the key once',
    async () => {
      const { page, problems } = await openPage('');
      await waitFor(
        'the server URL for OBS',
        async () => (await page.inputValue('#server')) === millrace.rtmp,
        DEADLINE.timeout,
      );
      expect(await page.locator('#admin').isVisible()).toBe(false);
      await unlock(page);
      await page.fill('#channel-name', 'from-the-page');
      await page.click('#make-channel button');
      const hidden = await makeKey(page, 'from-the-page');
      await page.click('#forget');
      expect(await everythingIn(page)).not.toContain(hidden);

      // One that was not hidden, and the token, go with the page: a browser puts what fields held back after a reload.
      const left = await makeKey(page, 'from-the-page');
      expect(left).not.toBe(hidden);
      await page.reload();
      expect(await everythingIn(page)).not.toContain(millrace.adminToken);
      await unlock(page);
      await page
        .locator('#key-channel option[value="from-the-page"]')
        .waitFor({ ...DEADLINE, state: 'attached' });
      expect(await page.locator('#issued').isVisible()).toBe(false);
      for (const key of [hidden, left]) {
        expect(await everythingIn(page)).not.toContain(key);
        expect(millrace.logs().includes(key)).toBe(false);
      }
      expect(problems).toEqual([]);
      await page.close();
    },
    TEST_DEADLINE_MS,
  );

  test(
    'says so when a token is wrong',
    async () => {
      const { page } = await openPage('');
      await page.fill('#token', 'a-token-that-is-wrong-0123');
      await page.click('#unlock button');
      await textOf(page, '#notice', /\S/);
      expect(await page.locator('#admin').isVisible()).toBe(false);
      await page.close();
    },
    TEST_DEADLINE_MS,
  );
});
