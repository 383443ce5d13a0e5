import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { observe } from '../observer/observe.ts';
import type { Verdict } from '../observer/verdict.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import type { Clip } from '../verbs/clip.ts';
import { kill, metricOf, restart, startCluster } from '../verbs/deployment.ts';
import type { Cluster, Instance } from '../verbs/deployment.ts';
import { expectFlawless } from '../verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS, TINY_RUNG } from '../verbs/form.ts';
import { createChannel, waitForPlayable } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';
import { LiveEdges } from '../verbs/live-edges.ts';
import { waitFor } from '../verbs/wait-for.ts';

const LADDER = isLong ? 'default' : [SMALL_RUNG, TINY_RUNG];
/** Long enough for a window of six segments to slide, a packager to be replaced after 10 s, and its successor to be seen. */
const SECONDS = mediaSeconds(34);
const ROUND_MS = 400;

let cluster: Cluster;
let clip: Clip;
/** Ends what still asks when a test has failed. */
let over = new AbortController();

beforeAll(async () => {
  [cluster, clip] = await Promise.all([
    startCluster({ counts: { packager: 3, 'transcode-worker': 1, ingest: 1, 'playlist-api': 1 } }),
    makeClip({ ...USUAL, size: isLong ? '1280x720' : '426x240', seconds: SECONDS }),
  ]);
  await knownToIngest(cluster.of('packager'), true);
}, 180_000);

afterAll(async () => {
  await cluster.stop();
  await stopAll();
}, 60_000);

async function goLive(name: string): Promise<Channel> {
  const channel = await createChannel(cluster, name, { ladder: LADDER, graceSeconds: 2 });
  publish(channel.publishUrl, clip);
  await waitForPlayable(channel);
  return channel;
}

function watchToTheEnd(channel: Channel): Promise<Verdict> {
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
}

/** Runs a test; when it fails, the ends of the logs go with the error. */
async function withLogs(body: () => Promise<void>): Promise<void> {
  over = new AbortController();
  try {
    await body();
  } catch (error) {
    process.stderr.write(`\n${cluster.logs()}\n`);
    throw error;
  } finally {
    over.abort();
  }
}

async function total(instance: Instance, name: string, labels = ''): Promise<number> {
  const samples = await metricOf(instance, name).catch(() => []);
  return samples
    .filter((sample) => sample.labels.includes(labels))
    .reduce((sum, { value }) => sum + value, 0);
}

/** The packagers that hold something, and those that do not. */
async function holders(): Promise<{
  readonly holding: readonly Instance[];
  readonly others: readonly Instance[];
}> {
  const packagers = cluster.of('packager');
  const held = await Promise.all(
    packagers.map((packager) => total(packager, 'millrace_packager_media_bytes')),
  );
  return {
    holding: packagers.filter((_, index) => (held[index] ?? 0) > 0),
    others: packagers.filter((_, index) => (held[index] ?? 0) === 0),
  };
}

/** Paths of the media playlists of a channel, fMP4 and MPEG-TS. */
async function mediaPlaylists(channel: Channel): Promise<readonly string[]> {
  const texts = await Promise.all(
    channel.hls.map(async (url) => [url, await (await fetch(url)).text()] as const),
  );
  const paths = texts.flatMap(([url, text]) =>
    [...lines(text), ...[...text.matchAll(/URI="([^"]+)"/g)].map(([, uri = '']) => uri)].map(
      (uri) => new URL(uri, url).pathname,
    ),
  );
  return [...new Set(paths)];
}

function lines(playlist: string): readonly string[] {
  return playlist.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** What packagers have said, by URL and encoding. */
class Answers {
  readonly problems: string[] = [];
  readonly edges = new LiveEdges();
  readonly #etags = new Map<string, Map<string, string>>();
  readonly #digests = new Map<string, Map<string, string>>();
  readonly asked = new Map<string, number>();

  /** Asks one packager; `undefined` when it is not there. */
  async ask(packager: Instance, path: string, encoding: 'gzip' | 'identity'): Promise<Buffer | undefined> {
    let response: Response;
    let body: Buffer;
    const noteEdge = path.endsWith('.m3u8') ? this.edges.ask(packager.name, path) : undefined;
    try {
      response = await fetch(`http://127.0.0.1:${packager.port}${path}`, {
        headers: { 'accept-encoding': encoding },
        signal: AbortSignal.timeout(20_000),
      });
      body = Buffer.from(await response.arrayBuffer());
    } catch {
      return undefined;
    }
    const what = `${packager.name} ${path} ${encoding}`;
    // 503 means later, and is what a process answers that has only just begun.
    if (response.status !== 200) {
      if (response.status !== 503) this.problems.push(`${what}: ${response.status}`);
      return undefined;
    }
    const etag = response.headers.get('etag') ?? 'none';
    this.#compare(`${path} ${encoding}`, etag, createHash('sha256').update(body).digest('hex'), what);
    noteEdge?.(body.toString());
    this.asked.set(packager.name, (this.asked.get(packager.name) ?? 0) + 1);
    return body;
  }

  /** Equal ETag ⇔ equal bytes; what is immutable has one of each. */
  #compare(url: string, etag: string, digest: string, what: string): void {
    const etags = this.#etags.get(url) ?? new Map<string, string>();
    const digests = this.#digests.get(url) ?? new Map<string, string>();
    this.#etags.set(url, etags);
    this.#digests.set(url, digests);
    if ((etags.get(etag) ?? digest) !== digest) this.problems.push(`${what}: other bytes under ${etag}`);
    if ((digests.get(digest) ?? etag) !== etag) this.problems.push(`${what}: the same bytes under ${etag}`);
    etags.set(etag, digest);
    digests.set(digest, etag);
    if (!url.includes('.m3u8') && etags.size > 1) this.problems.push(`${what}: changed`);
  }
}

/** Asks every packager for every playlist, and for everything that the playlists list, until it is told to stop. */
async function compareAll(channel: Channel, signal: AbortSignal): Promise<Answers> {
  const answers = new Answers();
  const playlists = await mediaPlaylists(channel);
  const packagers = cluster.of('packager');
  while (!signal.aborted) {
    const listed = new Set<string>();
    for (const path of playlists) {
      const texts = await Promise.all(
        packagers.flatMap((packager) =>
          (['identity', 'gzip'] as const).map((encoding) => answers.ask(packager, path, encoding)),
        ),
      );
      for (const body of texts) {
        const text = body?.toString() ?? '';
        // Both ends of the window: what has just come, and what is about to go.
        const uris = lines(text);
        const map = /#EXT-X-MAP:URI="([^"]+)"/.exec(text)?.[1];
        for (const uri of [uris[0], uris.at(-1), map])
          if (uri !== undefined) listed.add(new URL(uri, `http://x${path}`).pathname);
      }
    }
    await Promise.all(
      [...listed].flatMap((path) => packagers.map((packager) => answers.ask(packager, path, 'identity'))),
    );
    await delay(ROUND_MS, undefined, { signal }).catch(() => undefined);
  }
  return answers;
}

describe('packagers that share sessions', () => {
  test(
    'asked for the same URLs while a window slides and one is restarted: equal ETag ⇔ equal bytes, nothing immutable changes, none steps back',
    () =>
      withLogs(async () => {
        const channel = await goLive('same-bytes');
        const watched = watchToTheEnd(channel);
        const stop = new AbortController();
        const comparing = compareAll(channel, AbortSignal.any([stop.signal, over.signal]));
        const { holding, others } = await holders();
        expect([holding.length, others.length]).toEqual([2, 1]);
        const [lost] = holding;
        if (lost === undefined) throw new Error('no packager holds the session');
        await delay(6000);
        await kill(lost);
        await delay(2000);
        await restart(lost);
        await waitFor('the packager is filled', () =>
          total(lost, 'millrace_packager_fills_total', 'filled').then((fills) => fills > 0),
        );
        const verdict = await watched;
        stop.abort();
        const answers = await comparing;
        expect(answers.problems).toEqual([]);
        expect(answers.edges.problems).toEqual([]);
        for (const { name } of cluster.of('packager')) expect(answers.asked.get(name)).toBeGreaterThan(50);
        expectFlawless(verdict);
        // The third one has answered all the time from the other two.
        const [stranger] = others;
        if (stranger === undefined) throw new Error('all packagers hold the session');
        expect(
          await total(stranger, 'millrace_packager_forwarded_requests_total', 'answered'),
        ).toBeGreaterThan(50);
      }),
    TEST_DEADLINE_MS,
  );

  test(
    'a packager that stays away is replaced: the third one copies the window and takes its place, viewers see nothing',
    () =>
      withLogs(async () => {
        const before = await holdersOfNew();
        const channel = await goLive('replaced');
        const watched = watchToTheEnd(channel);
        const placed = await waitFor('the session is held by two', async () => {
          const now = await holdersOfNew();
          const grown = [...now].filter(([name, sessions]) => sessions > (before.get(name) ?? 0));
          return grown.length === 2 ? grown.map(([name]) => name) : undefined;
        });
        const [lost] = cluster.of('packager').filter(({ name }) => placed.includes(name));
        const [successor] = cluster.of('packager').filter(({ name }) => !placed.includes(name));
        if (lost === undefined || successor === undefined) throw new Error('not placed on two of three');
        await kill(lost);
        await waitFor('the third one has it', () =>
          total(successor, 'millrace_packager_placements_total', '="placed"').then((count) => count > 0),
        );
        const stop = new AbortController();
        const comparing = compareAll(channel, AbortSignal.any([stop.signal, over.signal]));
        expectFlawless(await watched);
        stop.abort();
        const answers = await comparing;
        expect(answers.problems).toEqual([]);
        expect(answers.edges.problems).toEqual([]);
        await restart(lost);
      }),
    TEST_DEADLINE_MS,
  );

  test(
    'a session that is placed on one packager is served by the others too, and placed on a second one after 10 s',
    () =>
      withLogs(async () => {
        const [only, ...others] = cluster.of('packager');
        if (only === undefined) throw new Error('there is no packager');
        for (const packager of others) await kill(packager);
        await knownToIngest(others, false);
        const channel = await goLive('placed-on-one');
        const watched = watchToTheEnd(channel);
        for (const packager of others) await restart(packager);
        const forwarded = await Promise.all(
          others.map((packager) => waitFor(`${packager.name} answers`, () => answersFor(packager, channel))),
        );
        expect(forwarded).toEqual([true, true]);
        await waitFor('one of them has it', async () => {
          const counts = await Promise.all(
            others.map((packager) => total(packager, 'millrace_packager_placements_total', '="placed"')),
          );
          return counts.reduce((sum, count) => sum + count, 0) === 1;
        });
        expectFlawless(await watched);
      }),
    TEST_DEADLINE_MS,
  );
});

async function holdersOfNew(): Promise<ReadonlyMap<string, number>> {
  return new Map(
    await Promise.all(
      cluster
        .of('packager')
        .map(
          async (packager) => [packager.name, await total(packager, 'millrace_packager_sessions')] as const,
        ),
    ),
  );
}

/** Waits until ingest knows that packagers are there, or gone. */
async function knownToIngest(packagers: readonly Instance[], isThere: boolean): Promise<void> {
  for (const { name } of packagers)
    await waitFor(
      `${name} is ${isThere ? '' : 'not '}registered`,
      async () => (await isRegistered(name)) === isThere,
    );
  // It looks each second, and shows nobody what it sees.
  await delay(1500);
}

async function isRegistered(name: string): Promise<boolean> {
  const { redisUrl } = cluster.dependencies;
  const { stdout } = await promisify(execFile)('redis-cli', ['-u', redisUrl, 'EXISTS', `packager:${name}`]);
  return stdout.trim() === '1';
}

/** True when a packager answers for a channel's session, from wherever. */
async function answersFor(packager: Instance, channel: Channel): Promise<boolean> {
  for (const path of await mediaPlaylists(channel)) {
    const response = await fetch(`http://127.0.0.1:${packager.port}${path}`);
    const body = Buffer.from(await response.arrayBuffer());
    if (response.status !== 200) expect([path, response.status]).toEqual([path, 503]);
    if (response.status !== 200 || body.length === 0) return false;
  }
  return (await total(packager, 'millrace_packager_forwarded_requests_total', 'answered')) > 0;
}
