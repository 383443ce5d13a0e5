import { describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { spliceWindow } from './splice-window.ts';

const NOW_MS = 1_800_000_000_000;
const RECORD: session.SessionRecord = {
  ...{ sessionId: 's', channel: 'news', state: session.SessionState.LIVE, revision: 1 },
  ...{ openedAtMs: 0, stateSinceMs: 0, graceSeconds: 30, periods: [], currentK: 0 },
};

function recordAt(currentK: number, segmentSeconds: number): session.SessionRecord {
  const segmentDurationSeconds = { numerator: segmentSeconds, denominator: 1 };
  return { ...RECORD, currentK, presentation: { segmentDurationSeconds } as session.Presentation };
}

describe('the IDR that an encoder follows with', () => {
  test('may come up to 0.8 s after the other encoder was last heard of', () => {
    const window = spliceWindow({ record: recordAt(NOW_MS / 2000, 2), idleMs: 5000 }, NOW_MS);
    expect(window).toEqual({ fromMs: NOW_MS - 5000, untilMs: NOW_MS - 4200 });
  });

  test('but not after the next segment begins, which it is to open', () => {
    const window = spliceWindow({ record: recordAt(NOW_MS / 1000 - 1, 1), idleMs: 300 }, NOW_MS);
    expect(window).toEqual({ fromMs: NOW_MS - 300, untilMs: NOW_MS });
  });

  test('as far as the period before has come, whatever the record says of its beginning', () => {
    const ended = {
      ...recordAt(NOW_MS / 1000 - 2, 1),
      periods: [{ lastK: NOW_MS / 1000 - 1 } as session.Period],
    };
    expect(spliceWindow({ record: ended, idleMs: 300 }, NOW_MS).untilMs).toBe(NOW_MS);
  });

  test('anywhere in that time while nobody knows how long segments are', () => {
    expect(spliceWindow({ record: RECORD, idleMs: 0 }, NOW_MS).untilMs).toBe(NOW_MS + 800);
  });
});
