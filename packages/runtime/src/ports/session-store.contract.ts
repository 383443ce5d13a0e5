import { describe, expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import type { Clock } from '../clock.ts';
import type { PublishClaim, PublishOutcome, SessionChange, SessionStore } from './session-store.ts';

/** A store under test, and the clock that it compares with its expiries. */
export interface SessionStoreFixture {
  readonly store: SessionStore;
  readonly now: Clock;
  /** Moves the store's clock. */
  readonly advance: (ms: number) => void | Promise<void>;
}

const PRESENTATION: session.Presentation = {
  renditions: [],
  segmentDurationSeconds: { numerator: 2, denominator: 1 },
  partDurationSeconds: { numerator: 1, denominator: 1 },
  partTargetUs: 1_000_000,
  targetDurationSeconds: 2,
  windowSegments: 6,
  availabilityStartMs: 0,
  preset: session.Preset.LOW_LATENCY,
  isVariableFrameRate: false,
  redundancy: session.Redundancy.NONE,
};

function claimOf(change: Partial<PublishClaim> = {}): PublishClaim {
  return {
    channel: 'news',
    takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
    inputPreference: session.InputPreference.PRIMARY,
    graceSeconds: 30,
    ingest: { id: 'ingest-1', address: '' },
    role: control.PublishRole.PRIMARY,
    encoderId: 'encoder-1',
    ...change,
  };
}

function backupOf(change: Partial<PublishClaim> = {}): PublishClaim {
  return claimOf({ role: control.PublishRole.BACKUP, encoderId: 'encoder-2', ...change });
}

function accepted(outcome: PublishOutcome): Extract<PublishOutcome, { kind: 'accepted' }> {
  if (outcome.kind !== 'accepted') throw new Error(`refused: ${outcome.refusal}`);
  return outcome;
}

function periodOf(ordinal: number): session.Period {
  return { ordinal, firstK: 100 + ordinal, startTicks: 0, tracks: [], reason: 'first' };
}

/** Lets time pass for a publication that delivers. */
async function keepAlive(
  { store, advance }: Pick<SessionStoreFixture, 'store' | 'advance'>,
  token: number,
  ms: number,
): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await advance(500);
    await store.renewPublication('news', token);
  }
}

/** The rules that every session store keeps, whatever holds its data. */
export function describeSessionStore(name: string, create: () => Promise<SessionStoreFixture>): void {
  describe(`session store: ${name}`, () => {
    test('the first claim opens a live session', async () => {
      const { store } = await create();
      const outcome = accepted(await store.claimPublication(claimOf()));
      expect(outcome.isNewSession).toBe(true);
      expect(outcome.record.state).toBe(session.SessionState.LIVE);
      expect(outcome.record.channel).toBe('news');
      expect(outcome.replacedToken).toBeUndefined();
    });

    test('the tokens of a channel rise across claims and sessions, in each at least to the time', async () => {
      const { store, now, advance } = await create();
      const tokens = new Map<string, number>();
      for (const channel of ['a', 'b', 'a', 'a', 'b', 'a', 'a']) {
        if (tokens.size === 2) await advance(31_000);
        const startedMs = now();
        const { token } = accepted(await store.claimPublication(claimOf({ channel, graceSeconds: 1 })));
        expect(token).toBeGreaterThan(tokens.get(channel) ?? 0);
        // A clock in ms may have been read just before it moved.
        expect(token).toBeGreaterThanOrEqual(startedMs - 1);
        tokens.set(channel, token);
        await store.releasePublication(channel, token);
      }
    });

    test('a reconnect within the grace time continues the session', async () => {
      const { store, advance } = await create();
      const first = accepted(await store.claimPublication(claimOf()));
      await store.releasePublication('news', first.token);
      await advance(29_000);
      const second = accepted(await store.claimPublication(claimOf()));
      expect(second.isNewSession).toBe(false);
      expect(second.record.sessionId).toBe(first.record.sessionId);
      expect(second.record.state).toBe(session.SessionState.LIVE);
    });

    test('a claim after the grace time opens another session and ends the old one', async () => {
      const { store, advance } = await create();
      const first = accepted(await store.claimPublication(claimOf()));
      await store.releasePublication('news', first.token);
      await advance(30_000);
      const second = accepted(await store.claimPublication(claimOf()));
      expect(second.isNewSession).toBe(true);
      expect(second.record.sessionId).not.toBe(first.record.sessionId);
      const records = await snapshot(store);
      expect(records.get(first.record.sessionId)?.state).toBe(session.SessionState.ENDED);
    });

    test('a session that a claim has ended is told by the next sweep, once', async () => {
      const { store, advance } = await create();
      const { token, record } = accepted(await store.claimPublication(claimOf()));
      await store.releasePublication('news', token);
      await advance(31_000);
      await store.claimPublication(claimOf());
      const told = await store.sweep();
      expect(told.map(({ sessionId, state }) => [sessionId, state])).toEqual([
        [record.sessionId, session.SessionState.ENDED],
      ]);
      expect(await store.sweep()).toEqual([]);
    });

    test('a publication that is not renewed is lost, one that is renewed lives on', async () => {
      const { store, advance } = await create();
      const { token } = accepted(await store.claimPublication(claimOf()));
      for (let round = 0; round < 10; round += 1) {
        await advance(300);
        expect(await store.renewPublication('news', token)).toBe(true);
      }
      expect(await store.sweep()).toHaveLength(0);
      await advance(1100);
      expect(await store.sweep()).toHaveLength(0);
      await advance(1600);
      const [lost] = await store.sweep();
      expect(lost?.state).toBe(session.SessionState.GAP);
      expect(await store.renewPublication('news', token)).toBe(false);
    });

    test('a publication that nobody could renew is left its channel for a while, but by an encoder of its own role', async () => {
      const { store, advance } = await create();
      const { token } = accepted(await store.claimPublication(claimOf()));
      // As after the store was away: whoever comes first finds it lapsed.
      await advance(10_000);
      expect(await store.claimPublication(backupOf())).toEqual({ kind: 'refused', refusal: 'standby' });
      expect(await store.sweep()).toHaveLength(0);
      await advance(1400);
      expect(await store.claimPublication(backupOf())).toEqual({ kind: 'refused', refusal: 'standby' });
      expect(await store.renewPublication('news', token)).toBe(true);
      await advance(10_000);
      expect(await store.claimPublication(backupOf())).toEqual({ kind: 'refused', refusal: 'standby' });
      const reject = session.TakeoverPolicy.REJECT;
      const next = accepted(await store.claimPublication(claimOf({ takeoverPolicy: reject })));
      expect(next.replacedToken).toBeUndefined();
    });

    test('a publication that nobody could renew or look at for longer than the grace time ends nothing', async () => {
      const { store, advance } = await create();
      const first = accepted(await store.claimPublication(claimOf()));
      await advance(60_000);
      expect(await store.sweep()).toHaveLength(0);
      await advance(1600);
      const [lost] = await store.sweep();
      expect(lost?.state).toBe(session.SessionState.GAP);
      await advance(29_000);
      const second = accepted(await store.claimPublication(claimOf()));
      expect(second.record.sessionId).toBe(first.record.sessionId);
      await advance(60_000);
      const third = accepted(await store.claimPublication(claimOf({ encoderId: 'encoder-2' })));
      expect(third.record.sessionId).toBe(first.record.sessionId);
      expect(third.token).toBeGreaterThan(second.token);
    });

    test('a takeover fences the older publication out of everything', async () => {
      const { store } = await create();
      const older = accepted(await store.claimPublication(claimOf()));
      const newer = accepted(await store.claimPublication(claimOf({ encoderId: 'encoder-2' })));
      expect(newer.replacedToken).toBe(older.token);
      expect(newer.record.sessionId).toBe(older.record.sessionId);
      expect(await store.renewPublication('news', older.token)).toBe(false);
      expect(await store.update('news', older.token, { currentK: 7 })).toBe(false);
      await store.releasePublication('news', older.token);
      expect((await snapshot(store)).get(newer.record.sessionId)?.state).toBe(session.SessionState.LIVE);
    });

    test('policy reject refuses a second publisher while the first lives, and lets it in after', async () => {
      const { store, advance } = await create();
      const claim = claimOf({ takeoverPolicy: session.TakeoverPolicy.REJECT });
      await store.claimPublication(claim);
      const second = { ...claim, encoderId: 'encoder-2' };
      expect(await store.claimPublication(second)).toEqual({ kind: 'refused', refusal: 'in-use' });
      await advance(1100);
      accepted(await store.claimPublication(second));
    });

    test('a backup stands by while the primary is on air, and is let in when that is gone', async () => {
      const { store, advance } = await create();
      const primary = accepted(await store.claimPublication(claimOf()));
      const backup = backupOf();
      for (let attempt = 0; attempt < 10; attempt += 1) {
        await keepAlive({ store, advance }, primary.token, 300);
        expect(await store.claimPublication(backup)).toEqual({ kind: 'refused', refusal: 'standby' });
      }
      await store.releasePublication('news', primary.token);
      await advance(200);
      const { record, idleMs, replacedToken, isNewSession, isFailover } = accepted(
        await store.claimPublication(backup),
      );
      expect(record.sessionId).toBe(primary.record.sessionId);
      expect(replacedToken).toBeUndefined();
      expect({ isNewSession, isFailover }).toEqual({ isNewSession: false, isFailover: true });
      // A real store's clock goes on by itself.
      expect(idleMs).toBeGreaterThanOrEqual(200);
      expect(idleMs).toBeLessThan(2000);
    });

    test('... also when the primary was not heard of any more, and is told for how long', async () => {
      const { store, advance } = await create();
      accepted(await store.claimPublication(claimOf()));
      await advance(1500);
      expect(await store.claimPublication(backupOf())).toEqual({ kind: 'refused', refusal: 'standby' });
      await advance(1600);
      const { idleMs } = accepted(await store.claimPublication(backupOf()));
      expect(idleMs).toBeGreaterThanOrEqual(3100);
      expect(idleMs).toBeLessThan(5100);
    });

    test('the backup steps back for the primary at once, however often, and under any policy', async () => {
      const { store } = await create();
      const takeoverPolicy = session.TakeoverPolicy.REJECT;
      for (let round = 0; round < 8; round += 1) {
        const backup = accepted(await store.claimPublication(backupOf({ takeoverPolicy })));
        const primary = accepted(await store.claimPublication(claimOf({ takeoverPolicy })));
        expect(primary).toMatchObject({ replacedToken: backup.token, isFailover: true, idleMs: 0 });
        expect(await store.renewPublication('news', backup.token)).toBe(false);
        await store.releasePublication('news', primary.token);
      }
    });

    test('... but stays on air where both are equal: the primary stands by', async () => {
      const { store } = await create();
      const inputPreference = session.InputPreference.EQUAL;
      const backup = accepted(await store.claimPublication(backupOf({ inputPreference })));
      const claim = claimOf({ inputPreference });
      expect(await store.claimPublication(claim)).toEqual({ kind: 'refused', refusal: 'standby' });
      expect(await store.renewPublication('news', backup.token)).toBe(true);
      await store.releasePublication('news', backup.token);
      accepted(await store.claimPublication(claim));
    });

    test('an encoder that was taken over may take back after 30 s without an attempt', async () => {
      const { store, advance } = await create();
      await store.claimPublication(claimOf());
      const successor = accepted(await store.claimPublication(claimOf({ encoderId: 'encoder-2' })));
      await keepAlive({ store, advance }, successor.token, 30_500);
      accepted(await store.claimPublication(claimOf()));
    });

    test('an encoder that was taken over and retries every second for minutes stays out while its successor delivers', async () => {
      const { store, advance } = await create();
      await store.claimPublication(claimOf());
      const successor = accepted(await store.claimPublication(claimOf({ encoderId: 'encoder-2' })));
      for (let second = 0; second < 180; second += 1) {
        await keepAlive({ store, advance }, successor.token, 1000);
        expect(await store.claimPublication(claimOf())).toEqual({ kind: 'refused', refusal: 'taken-over' });
      }
    });

    test('an encoder that replaces its own half-open connections is not held off by itself', async () => {
      const { store, advance } = await create();
      for (let reconnect = 0; reconnect < 3; reconnect += 1) {
        const { token } = accepted(await store.claimPublication(claimOf()));
        await keepAlive({ store, advance }, token, 5000);
      }
    });

    test('it may take back at once when its successor is gone', async () => {
      const { store } = await create();
      await store.claimPublication(claimOf());
      const successor = accepted(await store.claimPublication(claimOf({ encoderId: 'encoder-2' })));
      await store.releasePublication('news', successor.token);
      accepted(await store.claimPublication(claimOf()));
    });

    test('after four takeovers within a minute everyone is refused until a minute passed without an attempt', async () => {
      const { store, advance } = await create();
      let token = 0;
      for (let encoder = 0; encoder <= 4; encoder += 1) {
        token = accepted(await store.claimPublication(claimOf({ encoderId: `encoder-${encoder}` }))).token;
      }
      const late = claimOf({ encoderId: 'late' });
      expect(await store.claimPublication(late)).toEqual({ kind: 'refused', refusal: 'too-many-takeovers' });
      await keepAlive({ store, advance }, token, 59_000);
      expect(await store.claimPublication(late)).toEqual({ kind: 'refused', refusal: 'too-many-takeovers' });
      await keepAlive({ store, advance }, token, 60_500);
      accepted(await store.claimPublication(late));
    });

    test('gap becomes ended after the grace time, once, whoever sweeps', async () => {
      const { store, advance } = await create();
      const { token } = accepted(await store.claimPublication(claimOf({ graceSeconds: 5 })));
      await store.releasePublication('news', token);
      await advance(4900);
      expect(await store.sweep()).toHaveLength(0);
      await advance(200);
      const [first, second] = await Promise.all([store.sweep(), store.sweep()]);
      const changed = [...first, ...second];
      expect(changed.map((record) => record.state)).toEqual([session.SessionState.ENDED]);
    });

    test('the presentation is fixed once; periods are appended and ended; K never steps back', async () => {
      const { store } = await create();
      const { token, record } = accepted(await store.claimPublication(claimOf()));
      await store.update('news', token, {
        presentation: PRESENTATION,
        openPeriod: periodOf(0),
        currentK: 101,
      });
      await store.update('news', token, {
        presentation: { ...PRESENTATION, windowSegments: 99 },
        currentK: 100,
      });
      await store.update('news', token, { endPeriod: { ordinal: 0, lastK: 104 }, openPeriod: periodOf(1) });
      const stored = (await snapshot(store)).get(record.sessionId);
      expect(stored?.presentation?.windowSegments).toBe(6);
      expect(stored?.periods.map((period) => [period.ordinal, period.lastK])).toEqual([
        [0, 104],
        [1, undefined],
      ]);
      expect(stored?.currentK).toBe(101);
    });

    test('a change that is made again, because its answer was lost, changes nothing and is told to nobody', async () => {
      const { store } = await create();
      const { token, record } = accepted(await store.claimPublication(claimOf()));
      const changes: SessionChange[] = [
        { presentation: PRESENTATION, openPeriod: periodOf(0), currentK: 101 },
        { endPeriod: { ordinal: 0, lastK: 104 }, openPeriod: periodOf(1), currentK: 105 },
        { endPeriod: { ordinal: 1, lastK: 106 } },
        { currentK: 107 },
      ];
      for (const change of changes) {
        expect(await store.update('news', token, change)).toBe(true);
        const once = (await snapshot(store)).get(record.sessionId);
        expect(await store.update('news', token, change)).toBe(true);
        expect((await snapshot(store)).get(record.sessionId)).toEqual(once);
      }
      // An answer that was long under way does not open a period again that has been ended since.
      expect(await store.update('news', token, changes[1] ?? {})).toBe(true);
      const periods = (await snapshot(store)).get(record.sessionId)?.periods;
      expect(periods?.map(({ ordinal, lastK }) => [ordinal, lastK])).toEqual([
        [0, 104],
        [1, 106],
      ]);
    });

    test('giving up and renewing again have the effect of once', async () => {
      const { store, advance } = await create();
      const { token, record } = accepted(await store.claimPublication(claimOf()));
      const fresh = (await snapshot(store)).get(record.sessionId);
      expect(await store.renewPublication('news', token)).toBe(true);
      expect(await store.renewPublication('news', token)).toBe(true);
      expect((await snapshot(store)).get(record.sessionId)).toEqual(fresh);
      await store.releasePublication('news', token);
      const once = (await snapshot(store)).get(record.sessionId);
      expect(once?.state).toBe(session.SessionState.GAP);
      await advance(1000);
      await store.releasePublication('news', token);
      expect((await snapshot(store)).get(record.sessionId)).toEqual(once);
      expect(await store.renewPublication('news', token)).toBe(false);
      expect(await store.update('news', token, { currentK: 7 })).toBe(false);
    });

    test('the holder that claims again goes on in its session with another token, and the one before is fenced', async () => {
      const { store } = await create();
      const first = accepted(await store.claimPublication(claimOf()));
      const second = accepted(await store.claimPublication(claimOf()));
      expect(second.record.sessionId).toBe(first.record.sessionId);
      expect([second.isNewSession, second.replacedToken]).toEqual([false, first.token]);
      expect(second.token).toBeGreaterThan(first.token);
      expect(await store.update('news', first.token, { currentK: 7 })).toBe(false);
      expect(await store.update('news', second.token, { currentK: 7 })).toBe(true);
    });

    test('a record keeps 64 recent periods', async () => {
      const { store } = await create();
      const { token, record } = accepted(await store.claimPublication(claimOf()));
      for (let ordinal = 0; ordinal < 70; ordinal += 1) {
        await store.update('news', token, { openPeriod: periodOf(ordinal) });
      }
      const periods = (await snapshot(store)).get(record.sessionId)?.periods;
      expect(periods).toHaveLength(64);
      expect(periods?.at(-1)?.ordinal).toBe(69);
    });

    test('the record says which ingest holds the publication, of which encoder, and afterwards which one did', async () => {
      const { store } = await create();
      const first = { id: 'ingest-1', address: '10.0.0.1:9000' };
      const second = { id: 'ingest-2', address: '10.0.0.2:9000' };
      const opened = accepted(await store.claimPublication(claimOf({ ingest: first })));
      expect(opened.record).toMatchObject({ ingest: first, encoder: 'encoder-1' });
      const taken = accepted(
        await store.claimPublication(claimOf({ ingest: second, encoderId: 'encoder-2' })),
      );
      expect(taken.record).toMatchObject({
        ...{ sessionId: opened.record.sessionId, ingest: second, encoder: 'encoder-2' },
      });
      expect(taken.record.revision).toBeGreaterThan(opened.record.revision);
      await store.releasePublication('news', taken.token);
      expect((await snapshot(store)).get(opened.record.sessionId)?.ingest).toEqual(second);
      const back = accepted(await store.claimPublication(claimOf({ ingest: first })));
      expect(back.record.ingest).toEqual(first);
    });

    test('a session is placed once by its holder, then moved epoch by epoch', async () => {
      const { store } = await create();
      const { token, record } = accepted(await store.claimPublication(claimOf()));
      const { sessionId } = record;
      const [a, b, c] = ['a', 'b', 'c'].map((id) => ({ id, address: `${id}:9000` })) as [
        session.Peer,
        session.Peer,
        session.Peer,
      ];
      const placed = async () => (await snapshot(store)).get(sessionId)?.placement;
      expect(await placed()).toBeUndefined();
      expect(await store.update('news', token, { packagers: [a, b] })).toBe(true);
      expect(await store.update('news', token, { packagers: [c] })).toBe(true);
      expect(await placed()).toEqual({ epoch: 1, packagers: [a, b] });

      expect(await store.place('news', sessionId, { epoch: 2, packagers: [b, c] })).toBe(true);
      const { revision } = (await snapshot(store)).get(sessionId) ?? {};
      // The answer was lost: the same move once more. Another one that knew the same epoch comes too late.
      expect(await store.place('news', sessionId, { epoch: 2, packagers: [b, c] })).toBe(true);
      expect(await store.place('news', sessionId, { epoch: 2, packagers: [a, c] })).toBe(false);
      expect(await store.place('news', sessionId, { epoch: 4, packagers: [a, c] })).toBe(false);
      expect(await store.place('news', '01ARZ3NDEKTSV4RRFFQ69G5FAV', { epoch: 3, packagers: [a] })).toBe(
        false,
      );
      expect(await store.place('sport', sessionId, { epoch: 3, packagers: [a] })).toBe(false);
      const now = (await snapshot(store)).get(sessionId);
      expect(now).toMatchObject({ revision, placement: { epoch: 2, packagers: [b, c] } });
    });

    test('a watcher gets what is there, then every change, newest only, until it is aborted', async () => {
      const { store } = await create();
      const { token, record } = accepted(await store.claimPublication(claimOf()));
      const abort = new AbortController();
      const seen: session.SessionRecord[] = [];
      for await (const change of store.watch(abort.signal)) {
        seen.push(change);
        if (seen.length === 1) {
          for (let k = 1; k <= 50; k += 1) await store.update('news', token, { currentK: k });
        } else if (change.currentK === 50) {
          abort.abort();
        }
      }
      expect(seen[0]?.sessionId).toBe(record.sessionId);
      expect(seen.at(-1)?.currentK).toBe(50);
      const revisions = seen.map((change) => change.revision);
      expect(revisions).toEqual(revisions.toSorted((x, y) => x - y));
    });
  });
}

/** What a new watcher is given first. */
async function snapshot(store: SessionStore): Promise<Map<string, session.SessionRecord>> {
  const records = new Map<string, session.SessionRecord>();
  const abort = new AbortController();
  // Everything that is there is yielded before the watcher waits; the abort is seen when it would.
  setImmediate(() => abort.abort());
  for await (const record of store.watch(abort.signal)) records.set(record.sessionId, record);
  return records;
}
