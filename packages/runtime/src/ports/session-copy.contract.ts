import { afterEach, describe, expect, test } from '@jest/globals';
import type { sink, twin } from '@millrace/contracts';
import { FIRST_K, initOf, partOf, segmentOf } from '../testing/contract-parts.ts';
import type { PackagerFixture } from './rendition-sink.contract.ts';
import type { SessionCopy } from './session-copy.ts';

type Payload = NonNullable<twin.FollowResponse['payload']>;
type Case = Payload['$case'];

/** A packager whose sessions can be copied. */
export interface CopyFixture extends PackagerFixture {
  readonly copy: SessionCopy;
}

/** The rules that every copy of a session keeps. */
export function describeSessionCopy(name: string, create: () => Promise<CopyFixture>): void {
  describe(`session copy: ${name}`, () => {
    let fixture: CopyFixture | undefined;
    const reading = new Set<AbortController>();

    afterEach(async () => {
      for (const abort of reading) abort.abort();
      reading.clear();
      await fixture?.stop();
      fixture = undefined;
    });

    async function start(): Promise<CopyFixture> {
      fixture = await create();
      return fixture;
    }

    function follow(packager: CopyFixture, sessionId = packager.sessionId) {
      const abort = new AbortController();
      reading.add(abort);
      const messages = packager.copy.follow({ sessionId }, abort.signal)[Symbol.asyncIterator]();
      const next = async (): Promise<Payload | undefined> => {
        const result = await messages.next();
        return result.done === true ? undefined : result.value.payload;
      };
      return {
        abort: () => abort.abort(),
        next,
        /** Reads to the next message of a kind, that one included; heartbeats are left out. */
        async until($case: Case): Promise<readonly Payload[]> {
          const read: Payload[] = [];
          for (;;) {
            const payload = await next();
            if (payload === undefined) throw new Error(`the copy ended before ${$case}`);
            if (payload.$case !== 'heartbeat' || $case === 'heartbeat') read.push(payload);
            if (payload.$case === $case) return read;
          }
        },
      };
    }

    function partsOf(payloads: readonly Payload[]): readonly sink.Part[] {
      return payloads.flatMap((payload) => (payload.$case === 'part' ? [payload.value] : []));
    }

    /** Publishes two segments of two renditions with their inits, and a part of a third one. */
    async function fill(packager: CopyFixture): Promise<readonly sink.Part[]> {
      const hello = { sessionId: packager.sessionId, leaseToken: 5, from: { k: FIRST_K, part: 0 } };
      const stream = await packager.sink.open(hello, new AbortController().signal);
      const parts = ['720p', 'audio'].flatMap((id) => [
        ...segmentOf(id, 0),
        ...segmentOf(id, 1),
        partOf(id, 2, 0),
      ]);
      for (const id of ['720p', 'audio']) await stream.publishInit(initOf(id));
      for (const part of parts) await stream.publishPart(part);
      return parts;
    }

    test('of a session that is not there says so, and ends', async () => {
      const copy = follow(await start(), 'unknown');
      expect(await copy.next()).toMatchObject({ $case: 'header', value: { isHeld: false } });
      expect(await copy.next()).toBeUndefined();
    });

    test('has the tokens first, then init segments and parts as they were published, then says that this is all', async () => {
      const packager = await start();
      const published = await fill(packager);
      const payloads = await follow(packager).until('caughtUp');
      expect(payloads[0]).toMatchObject({
        $case: 'header',
        value: { isHeld: true, isFed: true, claims: [{ token: 5, from: { k: FIRST_K, part: 0 } }] },
      });
      const kinds = payloads.map(({ $case }) => $case);
      expect(kinds.slice(1, 3)).toEqual(['init', 'init']);
      expect(payloads[1]).toEqual({ $case: 'init', value: initOf('720p') });
      expect(partsOf(payloads)).toEqual(published);
    });

    test('says which segments are over', async () => {
      const packager = await start();
      await fill(packager);
      const [header] = await follow(packager).until('header');
      expect(header).toMatchObject({
        value: {
          renditions: [
            { renditionId: '720p', known: [{ first: FIRST_K, last: FIRST_K + 1 }] },
            { renditionId: 'audio', known: [{ first: FIRST_K, last: FIRST_K + 1 }] },
          ],
        },
      });
    });

    test('goes on with what comes: parts, init segments, tokens', async () => {
      const packager = await start();
      await fill(packager);
      const copy = follow(packager);
      await copy.until('caughtUp');
      const hello = { sessionId: packager.sessionId, leaseToken: 9, from: { k: FIRST_K + 2, part: 1 } };
      const stream = await packager.sink.open(hello, new AbortController().signal);
      expect((await copy.until('claim')).at(-1)).toEqual({
        $case: 'claim',
        value: { token: 9, from: { k: FIRST_K + 2, part: 1 } },
      });
      await stream.publishPart(partOf('720p', 2, 1));
      expect(partsOf(await copy.until('part'))).toEqual([partOf('720p', 2, 1)]);
      await stream.publishInit({ ...initOf('720p'), period: 1 });
      expect((await copy.until('init')).at(-1)).toMatchObject({ value: { renditionId: '720p', period: 1 } });
    });

    test('says that it is there while nothing comes, and whether a worker is', async () => {
      const packager = await start();
      const worker = new AbortController();
      const hello = { sessionId: packager.sessionId, leaseToken: 5, from: { k: FIRST_K, part: 0 } };
      await packager.sink.open(hello, worker.signal);
      const copy = follow(packager);
      await copy.until('caughtUp');
      expect(await copy.next()).toEqual({ $case: 'heartbeat', value: { isFed: true } });
      worker.abort();
      for (;;) {
        const payload = await copy.next();
        if (payload?.$case === 'heartbeat' && !payload.value.isFed) break;
      }
    });

    test('ends when the session is over and everything was given', async () => {
      const packager = await start();
      const published = await fill(packager);
      const copy = follow(packager);
      expect(partsOf(await copy.until('caughtUp'))).toHaveLength(published.length);
      await packager.endSession();
      const hello = { sessionId: packager.sessionId, leaseToken: 9, from: { k: FIRST_K + 2, part: 1 } };
      const stream = await packager.sink.open(hello, new AbortController().signal);
      stream.close();
      for (;;) if ((await copy.next()) === undefined) break;
    }, 20_000);

    test('ends without an error when it is given up', async () => {
      const packager = await start();
      await fill(packager);
      const copy = follow(packager);
      await copy.until('caughtUp');
      const next = copy.next();
      copy.abort();
      expect(await next).toBeUndefined();
    });

    test('is read by two at once, each at its own pace', async () => {
      const packager = await start();
      const published = await fill(packager);
      const [slow, fast] = [follow(packager), follow(packager)];
      await slow.until('header');
      expect(partsOf(await fast.until('caughtUp'))).toEqual(published);
      expect(partsOf(await slow.until('caughtUp'))).toEqual(published);
    });
  });
}
