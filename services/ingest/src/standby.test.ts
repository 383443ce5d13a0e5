import { afterEach, describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { Encoder, readFlv } from './testing/encoder.ts';
import { keyOf, readPeriod, startFixture } from './testing/fixture.ts';
import type { IngestFixture } from './testing/fixture.ts';

/** One second, GOP 15 of 30 fps, with audio. */
const SECOND = readFlv(new URL('../../../packages/media/src/testdata/b-frames.flv', import.meta.url));
const VIDEO = 1;

let fixture: IngestFixture | undefined;
const encoders: Encoder[] = [];

afterEach(async () => {
  for (const encoder of encoders.splice(0)) encoder.kill();
  await fixture?.stop();
  fixture = undefined;
});

async function start(channel: Partial<session.Channel> = {}, limits = {}): Promise<IngestFixture> {
  fixture = await startFixture({ channel, limits });
  return fixture;
}

async function publish(
  { port }: IngestFixture,
  role: 'primary' | 'backup',
  name: string = role,
): Promise<Encoder> {
  const encoder = new Encoder(port, { streamKey: keyOf('news', role), name });
  encoders.push(encoder);
  expect(await encoder.isPublishing).toBe(true);
  return encoder;
}

/** Sends seconds of media from the given one on. */
function send(encoder: Encoder, fromSecond: number, count = 1): void {
  for (let second = fromSecond; second < fromSecond + count; second += 1) encoder.send(SECOND, second * 1000);
}

async function periodOpened({ waitForEvent }: IngestFixture, ordinal: number): Promise<session.Period> {
  const event = await waitForEvent(
    ({ type, data }) => type === 'PeriodOpened' && data.period?.ordinal === ordinal,
  );
  if (event.type !== 'PeriodOpened' || event.data.period === undefined) throw new Error('no period');
  return event.data.period;
}

async function standbys({ metric }: IngestFixture, count: number): Promise<void> {
  const deadline = AbortSignal.timeout(10_000);
  while ((await metric('millrace_ingest_standby_encoders')) !== count) {
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a channel with a primary and a backup encoder', () => {
  test('goes on with the backup when the primary is gone, from what it sent before; and back when it returns', async () => {
    const running = await start();
    const primary = await publish(running, 'primary');
    send(primary, 0, 2);
    const first = await periodOpened(running, 0);
    const { sessionId } = (await running.waitForEvent(({ type }) => type === 'SessionOpened')).data as {
      sessionId: string;
    };
    const backup = await publish(running, 'backup');
    send(backup, 100, 2);
    await standbys(running, 1);

    // The backup sends nothing more: what follows was kept.
    primary.kill();
    const second = await periodOpened(running, 1);
    expect(second.reason).toBe('failover');
    const { end, wallClocks } = await readPeriod(running.ingest, { sessionId, period: 0 });
    expect(end).toBeDefined();
    const lastK = wallClocks.at(-1)?.k ?? 0;
    expect(second.firstK).toBeGreaterThan(first.firstK);
    expect(second.firstK).toBe(lastK + 1);
    const spliced = await readPeriod(running.ingest, { sessionId, period: 1 }, (read) => read.length > 0);
    const [idr] = spliced.fragments.filter(({ trackId }) => trackId === VIDEO);
    expect(idr).toMatchObject({ isRandomAccess: true, dts: second.startTicks });
    await standbys(running, 0);

    // Back again: the backup is not told to go, and stands by.
    const returned = await publish(running, 'primary');
    send(returned, 0, 2);
    expect((await periodOpened(running, 2)).reason).toBe('failover');
    await standbys(running, 1);
    send(backup, 102, 2);
    returned.kill();
    expect((await periodOpened(running, 3)).reason).toBe('failover');
    expect(running.events.filter(({ type }) => type === 'SessionOpened')).toHaveLength(1);
    expect(running.events.filter(({ type }) => type === 'PublicationRefused')).toHaveLength(0);
  });

  test('leaves the backup on air where both are equal, and the primary stands by', async () => {
    const running = await start({ inputPreference: session.InputPreference.EQUAL });
    const backup = await publish(running, 'backup');
    send(backup, 0, 2);
    await periodOpened(running, 0);
    const primary = await publish(running, 'primary');
    send(primary, 50, 2);
    await standbys(running, 1);
    backup.kill();
    expect((await periodOpened(running, 1)).reason).toBe('failover');
  });

  test('refuses a backup whose codec it does not take while it stands by, not when it is needed', async () => {
    const running = await start();
    send(await publish(running, 'primary'), 0, 2);
    const backup = await publish(running, 'backup');
    // H.263 in FLV.
    backup.send([{ type: 'video', timestampMs: 0, body: Buffer.from([0x12, 0, 0, 0]) }]);
    expect(await backup.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('H.264'),
    });
  });

  test('closes a backup whose key is revoked while it stands by', async () => {
    const running = await start();
    const primary = await publish(running, 'primary');
    send(primary, 0, 2);
    const backup = await publish(running, 'backup');
    await standbys(running, 1);
    running.bus.publish({
      id: 'revoked',
      source: 'test',
      subject: '',
      channel: 'news',
      timeMs: Date.now(),
      event: {
        type: 'StreamKeyChanged',
        data: { channel: 'news', streamKeyId: 'backup-key-of-news', change: 'revoked' },
      },
    });
    expect(await backup.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('revoked'),
    });
    await standbys(running, 0);
  });

  test('lets the newer of two backups stand by as well, and closes the one that it took the channel from', async () => {
    const running = await start();
    const older = await publish(running, 'backup', 'older');
    send(older, 0, 2);
    await periodOpened(running, 0);
    const newer = await publish(running, 'backup', 'newer');
    send(newer, 0, 2);
    expect((await periodOpened(running, 1)).reason).toBe('takeover');
    expect(await older.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('taken this channel over'),
    });
  });
});
