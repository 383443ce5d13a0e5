import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@millrace/testkit';
import { KeyAttempts } from './key-attempts.ts';

const ADDRESS = '192.0.2.1';
const HOLD_MS = 5000;

function start(): { attempts: KeyAttempts; clock: ManualClock; fail: (address?: string) => number } {
  const clock = new ManualClock(1_795_000_000_000);
  const limits = { refusedKeysPerMinute: 3, refusedKeyHoldSeconds: HOLD_MS / 1000, pendingKeysPerAddress: 2 };
  const attempts = new KeyAttempts(limits, clock.now);
  let guess = 0;
  /** One wrong key: for how long it is held, -1 when it was not even asked about. */
  const fail = (address = ADDRESS): number => {
    guess += 1;
    if (!attempts.begin(address, `guess-${guess}`)) return -1;
    return attempts.end(address, `guess-${guess}`, 'refused');
  };
  return { attempts, clock, fail };
}

describe('wrong keys of one address', () => {
  test('are answered at once, then late, then not asked about while enough are held; another address is not touched', () => {
    const { clock, fail } = start();
    expect(Array.from({ length: 7 }, () => fail())).toEqual([0, 0, 0, HOLD_MS, HOLD_MS, -1, -1]);
    expect(fail('192.0.2.2')).toBe(0);
    clock.advance(HOLD_MS - 1);
    expect(fail()).toBe(-1);
    clock.advance(1);
    expect([fail(), fail(), fail()]).toEqual([HOLD_MS, HOLD_MS, -1]);
  });

  test('a right key among them is asked about and never held, while a place is free', () => {
    const { attempts, fail } = start();
    for (let guess = 0; guess < 4; guess += 1) fail();
    expect(attempts.begin(ADDRESS, 'right')).toBe(true);
    expect(attempts.end(ADDRESS, 'right', 'granted')).toBe(0);
  });

  test('a key that was right before is asked about in any case, until it is wrong', () => {
    const { attempts, clock, fail } = start();
    attempts.begin(ADDRESS, 'right');
    attempts.end(ADDRESS, 'right', 'granted');
    while (fail() !== -1);
    expect(attempts.begin(ADDRESS, 'right')).toBe(true);
    expect(attempts.end(ADDRESS, 'right', 'refused')).toBe(HOLD_MS);
    expect(attempts.begin(ADDRESS, 'right')).toBe(false);
    clock.advance(HOLD_MS);
    expect(attempts.begin(ADDRESS, 'right')).toBe(true);
  });

  test('side by side they take places as well; without wrong ones any number is asked about', () => {
    const { attempts, fail } = start();
    for (let each = 0; each < 100; each += 1) expect(attempts.begin('192.0.2.2', `${each}`)).toBe(true);
    for (let guess = 0; guess < 3; guess += 1) fail();
    expect([1, 2, 3].map((each) => attempts.begin(ADDRESS, `${each}`))).toEqual([true, true, false]);
    // No answer is nobody's fault, and gives the place back.
    expect(attempts.end(ADDRESS, '1', 'unknown')).toBe(0);
    expect(attempts.begin(ADDRESS, '4')).toBe(true);
  });

  test('are forgiven as time passes, within ten minutes however many they were', () => {
    const { clock, fail } = start();
    for (let second = 0; second < 3600; second += 10) {
      fail();
      clock.advance(10_000);
    }
    expect(fail()).toBe(HOLD_MS);
    clock.advance(10 * 60_000);
    expect([fail(), fail(), fail(), fail()]).toEqual([0, 0, 0, HOLD_MS]);
    clock.advance(40_000);
    expect([fail(), fail()]).toEqual([0, HOLD_MS]);
  });

  test.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', 'shares'],
    ['2001:db8::1', '2001:db8:0:0:1::', 'shares'],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', 'has its own'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.2', 'has its own'],
    ['::1', '192.0.2.1', 'has its own'],
  ])('whoever has %s %s %s limit', (one, other, relation) => {
    const { fail } = start();
    while (fail(one) !== -1);
    expect(fail(other)).toBe(relation === 'shares' ? -1 : 0);
  });

  test('what is remembered is bounded: the oldest are forgotten', () => {
    const { attempts, fail } = start();
    while (fail() !== -1);
    for (let each = 0; each < 10_000; each += 1) fail(`10.0.${each >> 8}.${each & 255}`);
    expect(fail()).toBe(0);
    attempts.begin(ADDRESS, 'first');
    attempts.end(ADDRESS, 'first', 'granted');
    for (let each = 0; each < 10_000; each += 1) {
      attempts.begin('192.0.2.3', `${each}`);
      attempts.end('192.0.2.3', `${each}`, 'granted');
    }
    while (fail() !== -1);
    expect(attempts.begin(ADDRESS, 'first')).toBe(false);
  });
});
