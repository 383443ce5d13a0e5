import { describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import type { segmentIndex } from '@millrace/contracts';
import { createLogger } from '@millrace/runtime';
import type { SegmentIndex, SessionStore } from '@millrace/runtime';
import { ManualClock } from '@millrace/testkit';
import { FIRST_K, recordOf, rowsOf } from '../testing/session-data.ts';
import { SessionMirror } from './session-mirror.ts';
import { isPlayable } from './session-view.ts';

const logger = createLogger({ service: 'test', level: 'error' });

/** A store of which only `watch` is asked; it yields what is listed, then waits. */
function storeOf(records: readonly session.SessionRecord[]): SessionStore {
  return {
    async *watch(signal: AbortSignal) {
      yield* records;
      await aborted(signal);
    },
  } as Partial<SessionStore> as SessionStore;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
}

async function mirrorOf(
  records: readonly session.SessionRecord[],
  index: SegmentIndex,
): Promise<{ mirror: SessionMirror; clock: ManualClock }> {
  const clock = new ManualClock(FIRST_K * 2000);
  const mirror = new SessionMirror({
    store: storeOf(records),
    peers: { packagersOf: () => [{ index }] },
    clock: clock.now,
    logger,
  });
  mirror.start();
  return { mirror, clock };
}

const idle: SegmentIndex = {
  async *watch(_request, signal) {
    await aborted(signal);
    yield* [];
  },
};

async function untilPlayable(mirror: SessionMirror): Promise<void> {
  const signal = AbortSignal.timeout(4000);
  for (;;) {
    const view = mirror.currentOf('news');
    if (view !== undefined && isPlayable(view)) return;
    if (signal.aborted) throw new Error('never playable');
    await mirror.nextChange('news', signal);
  }
}

describe('session mirror', () => {
  test('rows are followed again after the index failed or ended too early, and none is listed twice', async () => {
    let attempts = 0;
    const index: SegmentIndex = {
      async *watch(_request, signal): AsyncIterable<segmentIndex.WatchResponse> {
        attempts += 1;
        if (attempts === 1) throw new Error('connection refused');
        yield { rows: rowsOf(FIRST_K, 1).slice(0, 2) };
        if (attempts === 2) return;
        yield { rows: rowsOf(FIRST_K, 1) };
        await aborted(signal);
      },
    };
    const { mirror } = await mirrorOf([recordOf()], index);
    await untilPlayable(mirror);
    expect(attempts).toBe(3);
    expect(mirror.currentOf('news')?.rows.get('720p')).toHaveLength(1);
    await mirror.stop();
  });

  test('the last rows of a session that has ended are asked for until they come', async () => {
    const ended = recordOf({ state: session.SessionState.ENDED });
    let attempts = 0;
    const index: SegmentIndex = {
      async *watch(): AsyncIterable<segmentIndex.WatchResponse> {
        attempts += 1;
        if (attempts === 1) yield { rows: rowsOf(FIRST_K, 1) };
        if (attempts <= 3) throw new Error('connection lost');
        yield { rows: rowsOf(FIRST_K + 1, 1) };
      },
    };
    const { mirror } = await mirrorOf([ended], index);
    while ((mirror.currentOf('news')?.rows.get('720p') ?? []).length < 2)
      await mirror.nextChange('news', AbortSignal.timeout(4000));
    await mirror.stop();
    expect(attempts).toBe(4);
  });

  test('... for half a minute, or until nobody remembers the session', async () => {
    const ended = recordOf({ state: session.SessionState.ENDED });
    let attempts = 0;
    const failing: SegmentIndex = {
      async *watch(): AsyncIterable<segmentIndex.WatchResponse> {
        attempts += 1;
        clock.advance(10_000);
        yield* [];
        throw new Error('connection lost');
      },
    };
    const clock = new ManualClock(FIRST_K * 2000);
    const said = Promise.withResolvers<void>();
    const destination = { write: (line: string) => void (line.includes('did not come') && said.resolve()) };
    const mirror = new SessionMirror({
      store: storeOf([ended]),
      peers: { packagersOf: () => [{ index: failing }] },
      clock: clock.now,
      logger: createLogger({ service: 'playlist-api', level: 'warn', destination }),
    });
    mirror.start();
    await said.promise;
    expect(attempts).toBe(4);
    await mirror.stop();

    const letGo = Promise.withResolvers<void>();
    const { mirror: waiting, clock: other } = await mirrorOf([ended], {
      async *watch(_request, signal) {
        await aborted(signal);
        letGo.resolve();
        yield* [];
      },
    });
    while (waiting.currentOf('news') === undefined)
      await waiting.nextChange('news', AbortSignal.timeout(4000));
    other.advance(600_000);
    waiting.forgetEnded();
    await letGo.promise;
    await waiting.stop();
  });

  test('the newest session is the one of its channel, whichever is told first', async () => {
    const older = recordOf({ sessionId: '01K0000000000000000000000A', state: session.SessionState.ENDED });
    const newer = recordOf({ sessionId: '01K0000000000000000000000B' });
    for (const records of [
      [older, newer],
      [newer, older],
    ]) {
      const { mirror } = await mirrorOf(records, idle);
      while (mirror.list().length < 2) await mirror.nextChange('news', AbortSignal.timeout(4000));
      expect(mirror.currentOf('news')?.record.sessionId).toBe(newer.sessionId);
      await mirror.stop();
    }
  });

  test('an older record never replaces a newer one', async () => {
    const newer = recordOf({ revision: 5, currentK: FIRST_K + 5 });
    const { mirror } = await mirrorOf(
      [
        newer,
        recordOf({ revision: 4 }),
        recordOf({ channel: 'last', sessionId: '01K0000000000000000000000C' }),
      ],
      idle,
    );
    while (mirror.list().length < 2) await mirror.nextChange('last', AbortSignal.timeout(4000));
    expect(mirror.currentOf('news')?.record.currentK).toBe(FIRST_K + 5);
    await mirror.stop();
  });

  test('a session that ended long ago is forgotten, and not remembered when it is told again', async () => {
    const ended = recordOf({ state: session.SessionState.ENDED });
    const { mirror, clock } = await mirrorOf([ended], idle);
    while (mirror.currentOf('news') === undefined) await mirror.nextChange('news', AbortSignal.timeout(4000));
    clock.advance(599_999);
    mirror.forgetEnded();
    expect(mirror.currentOf('news')).toBeDefined();
    clock.advance(1);
    mirror.forgetEnded();
    expect(mirror.currentOf('news')).toBeUndefined();
    expect(mirror.list()).toEqual([]);
    await mirror.stop();
  });
});
