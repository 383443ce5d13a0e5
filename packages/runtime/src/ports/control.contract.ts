import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import type { Control } from './control.ts';

/** A stream key as whoever made it got it. */
interface MadeStreamKey {
  readonly id: string;
  readonly streamKey: string;
}

/**
 * A playlist-api behind its port, without any channel at first, that takes the application `live`; and what an
 * administrator does to it. What is done holds for every question that is asked after it has resolved.
 */
export interface ControlFixture {
  readonly control: Control;
  /** Makes a channel; what is not given has its default. */
  createChannel(
    name: string,
    settings?: {
      readonly isEnabled?: boolean;
      readonly takeover?: 'takeover' | 'reject';
      readonly graceSeconds?: number;
      readonly segmentDuration?: number | string;
      readonly ladder?: readonly ('source' | Readonly<Record<string, unknown>>)[];
    },
  ): Promise<void>;
  deleteChannel(name: string): Promise<void>;
  createStreamKey(channel: string, role?: 'primary' | 'backup'): Promise<MadeStreamKey>;
  revokeStreamKey(channel: string, id: string): Promise<void>;
  /** Makes a key in place of another, which stops at once. */
  rotateStreamKey(channel: string, id: string): Promise<MadeStreamKey>;
  stop(): Promise<void>;
}

const RUNG = { name: '240p', width: 426, height: 240, bitrateBps: 500_000 } as const;

/** The rules that every `Control` keeps. */
export function describeControl(name: string, create: () => Promise<ControlFixture>): void {
  describe(`control: ${name}`, () => {
    let fixture: ControlFixture | undefined;

    afterEach(async () => {
      await fixture?.stop();
      fixture = undefined;
    });

    async function start(): Promise<ControlFixture> {
      fixture = await create();
      return fixture;
    }

    async function ask(
      { control: port }: ControlFixture,
      streamKey: string | Buffer,
      app = 'live',
    ): Promise<control.AuthorizePublishResponse['result']> {
      const streamKeySha256 =
        typeof streamKey === 'string' ? createHash('sha256').update(streamKey).digest() : streamKey;
      return (await port.authorizePublish({ app, streamKeySha256, remoteAddress: '192.0.2.1' })).result;
    }

    function refusal(value: control.PublishRefusal): control.AuthorizePublishResponse['result'] {
      return { $case: 'refusal', value };
    }

    const REFUSED_KEY = refusal(control.PublishRefusal.KEY);

    /** The channel that a key is granted; throws when it is refused. */
    async function granted(api: ControlFixture, streamKey: string): Promise<session.Channel> {
      const result = await ask(api, streamKey);
      if (result?.$case !== 'grant' || result.value.channel === undefined)
        throw new Error(`refused: ${JSON.stringify(result)}`);
      return result.value.channel;
    }

    test('a key publishes to its own channel, with its id and its role', async () => {
      const api = await start();
      await api.createChannel('news');
      await api.createChannel('sport');
      const primary = await api.createStreamKey('news');
      const backup = await api.createStreamKey('sport', 'backup');
      expect(await ask(api, primary.streamKey)).toMatchObject({
        $case: 'grant',
        value: {
          channel: { name: 'news' },
          role: control.PublishRole.PRIMARY,
          streamKeyId: primary.id,
        },
      });
      expect(await ask(api, backup.streamKey)).toMatchObject({
        $case: 'grant',
        value: { channel: { name: 'sport' }, role: control.PublishRole.BACKUP, streamKeyId: backup.id },
      });
    });

    test('the grant has the whole channel as the live path needs it, defaults filled in', async () => {
      const api = await start();
      await api.createChannel('news');
      const { streamKey } = await api.createStreamKey('news');
      const rung = (rungName: string, width: number, height: number, bitrateBps: number): session.Rung => ({
        ...{ name: rungName, isSource: false, width, height, bitrateBps, maxFrameRate: undefined },
      });
      expect(await granted(api, streamKey)).toEqual({
        name: 'news',
        segmentDurationSeconds: { numerator: 2, denominator: 1 },
        segmentFromSource: false,
        partDurationSeconds: { numerator: 1, denominator: 1 },
        ladder: [
          rung('720p', 1280, 720, 2_800_000),
          rung('480p', 854, 480, 1_200_000),
          rung('360p', 640, 360, 700_000),
        ],
        preset: session.Preset.LOW_LATENCY,
        isVariableFrameRate: false,
        takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
        inputPreference: session.InputPreference.PRIMARY,
        redundancy: session.Redundancy.NONE,
        graceSeconds: 30,
        windowSegments: 6,
        audioBitrateBps: 128_000,
      });
    });

    test('policy, grace time, an exact SEG and the rungs come as they were set, in their order', async () => {
      const api = await start();
      await api.createChannel('news', {
        takeover: 'reject',
        graceSeconds: 0,
        segmentDuration: '1001/500',
        ladder: ['source', { ...RUNG, maxFrameRate: '30000/1001' }],
      });
      const { streamKey } = await api.createStreamKey('news');
      expect(await granted(api, streamKey)).toMatchObject({
        takeoverPolicy: session.TakeoverPolicy.REJECT,
        graceSeconds: 0,
        segmentFromSource: false,
        segmentDurationSeconds: { numerator: 1001, denominator: 500 },
        ladder: [
          { name: 'source', isSource: true },
          { ...RUNG, isSource: false, maxFrameRate: { numerator: 30_000, denominator: 1001 } },
        ],
      });
    });

    test('SEG from the source is said so, and left unset', async () => {
      const api = await start();
      await api.createChannel('news', { segmentDuration: 'source', ladder: ['source'] });
      const { streamKey } = await api.createStreamKey('news');
      const channel = await granted(api, streamKey);
      expect(channel.segmentFromSource).toBe(true);
      expect(channel.segmentDurationSeconds).toBeUndefined();
    });

    test('an unknown key, a revoked one, and one of a channel that is gone are refused alike', async () => {
      const api = await start();
      await api.createChannel('news');
      const [revoked, kept] = [await api.createStreamKey('news'), await api.createStreamKey('news')];
      await api.revokeStreamKey('news', revoked.id);
      expect(await ask(api, 'no-such-key')).toEqual(REFUSED_KEY);
      expect(await ask(api, revoked.streamKey)).toEqual(REFUSED_KEY);
      expect(await ask(api, kept.streamKey)).toMatchObject({ $case: 'grant' });
      await api.deleteChannel('news');
      expect(await ask(api, kept.streamKey)).toEqual(REFUSED_KEY);
    });

    test('a key of a channel that was made anew under the name of one that is gone stays refused', async () => {
      const api = await start();
      await api.createChannel('news');
      const old = await api.createStreamKey('news');
      await api.deleteChannel('news');
      await api.createChannel('news');
      expect(await ask(api, old.streamKey)).toEqual(REFUSED_KEY);
    });

    test('a key that was rotated is refused, the one in its place is granted', async () => {
      const api = await start();
      await api.createChannel('news');
      const old = await api.createStreamKey('news', 'backup');
      const fresh = await api.rotateStreamKey('news', old.id);
      expect(fresh.id).not.toBe(old.id);
      expect(await ask(api, old.streamKey)).toEqual(REFUSED_KEY);
      expect(await ask(api, fresh.streamKey)).toMatchObject({
        $case: 'grant',
        value: { streamKeyId: fresh.id, role: control.PublishRole.BACKUP },
      });
    });

    test.each([
      { what: 'nothing', hash: Buffer.alloc(0) },
      { what: 'half a hash', hash: Buffer.alloc(16, 1) },
      { what: 'more than a hash', hash: Buffer.alloc(64 * 1024, 1) },
      { what: 'a hash of nothing that was ever made', hash: Buffer.alloc(32, 1) },
    ])('$what in place of a hash is refused as a key, not an error', async ({ hash }) => {
      const api = await start();
      await api.createChannel('news');
      expect(await ask(api, hash)).toEqual(REFUSED_KEY);
    });

    test('the key itself in place of its hash is refused', async () => {
      const api = await start();
      await api.createChannel('news');
      const { streamKey } = await api.createStreamKey('news');
      expect(await ask(api, Buffer.from(streamKey))).toEqual(REFUSED_KEY);
    });

    test.each(['vod', '', 'LIVE', 'live/', '__proto__'])(
      'the application `%s` is refused as such, even with a right key',
      async (app) => {
        const api = await start();
        await api.createChannel('news');
        const { streamKey } = await api.createStreamKey('news');
        expect(await ask(api, streamKey, app)).toEqual(refusal(control.PublishRefusal.APP));
      },
    );

    test('a disabled channel is refused as such', async () => {
      const api = await start();
      await api.createChannel('news', { isEnabled: false });
      const { streamKey } = await api.createStreamKey('news');
      expect(await ask(api, streamKey)).toEqual(refusal(control.PublishRefusal.DISABLED));
    });

    test('questions that are asked at the same time get their own answers', async () => {
      const api = await start();
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
      for (const channel of names) await api.createChannel(channel);
      const keys = await Promise.all(names.map((channel) => api.createStreamKey(channel)));
      const channels = await Promise.all(keys.map(({ streamKey }) => granted(api, streamKey)));
      expect(channels.map((channel) => channel.name)).toEqual(names);
    });
  });
}
