import { describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { hasRoom, unitsOf } from './session-units.ts';

const { VIDEO, AUDIO } = session.TrackKind;
const { LOW_LATENCY, QUALITY } = session.Preset;

function video(width: number, height: number, change: Partial<session.Rendition> = {}): session.Rendition {
  const frameRate = { numerator: 30, denominator: 1 };
  return session.Rendition.create({ kind: VIDEO, width, height, frameRate, ...change });
}

const audio = session.Rendition.create({ kind: AUDIO });

function costOf(...renditions: readonly session.Rendition[]): number {
  return unitsOf({ renditions: [...renditions], preset: LOW_LATENCY });
}

describe('what a session costs', () => {
  test('grows with the pixels per second of every rendition', () => {
    const [none, hd] = [costOf(video(0, 0)), costOf(video(1280, 720))];
    const twice = { numerator: 60, denominator: 1 };
    expect(costOf(video(1280, 720, { frameRate: twice })) - none).toBeCloseTo(2 * (hd - none));
    expect(costOf(video(1920, 1080)) - none).toBeCloseTo(2.25 * (hd - none));
  });

  test('of one more rendition is its encoding: one decoder feeds them all', () => {
    const [one, two] = [costOf(video(1280, 720)), costOf(video(1280, 720), video(1280, 720))];
    expect(two - one).toBeGreaterThanOrEqual(1);
    expect(two - one).toBeLessThan(one);
  });

  test('is counted at 30 pictures a second where the rate varies', () => {
    expect(costOf(video(1280, 720, { frameRate: undefined }))).toBe(costOf(video(1280, 720)));
  });

  test('is more with lookahead and B-frames', () => {
    const renditions = [video(1280, 720)];
    expect(unitsOf({ renditions, preset: QUALITY })).toBeGreaterThan(
      unitsOf({ renditions, preset: LOW_LATENCY }),
    );
  });

  test('is little where the encoder’s own media is passed through, and never nothing', () => {
    const passedThrough = costOf(video(1920, 1080, { isPassthrough: true }));
    expect(passedThrough).toBe(costOf());
    expect(passedThrough).toBeGreaterThan(0);
    expect(costOf(audio)).toBeGreaterThan(passedThrough);
    expect(costOf(audio)).toBeLessThan(0.3);
  });
});

describe('room for a session', () => {
  test('is there while the sum stays within the capacity', () => {
    expect(hasRoom({ capacityUnits: 3, loadUnits: 1 }, 2)).toBe(true);
    expect(hasRoom({ capacityUnits: 3, loadUnits: 1.1 }, 2)).toBe(false);
  });

  test('is there for anything where nothing else is', () => {
    expect(hasRoom({ capacityUnits: 1, loadUnits: 0 }, 2)).toBe(true);
  });
});
