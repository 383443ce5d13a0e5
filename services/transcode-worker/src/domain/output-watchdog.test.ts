import { expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { OutputWatchdog } from './output-watchdog.ts';

const { VIDEO, AUDIO } = session.TrackKind;
const limits = { stallMs: 1000, startMs: 5000, latencySeconds: 0.5 };

function watchdog() {
  return new OutputWatchdog(
    [
      { kind: VIDEO, startSeconds: 100 },
      { kind: AUDIO, startSeconds: 100 },
    ],
    limits,
  );
}

test('an output that owes nothing is silent for as long as it likes', () => {
  const dog = watchdog();
  dog.noteInput(0, VIDEO, 100.4);
  expect(dog.isStalled(60_000)).toBe(false);
  expect(dog.lateMs).toBe(0);
});

test('the first output may take its time, later ones may not', () => {
  const dog = watchdog();
  dog.noteInput(0, VIDEO, 101);
  expect(dog.isStalled(5000)).toBe(false);
  expect(dog.isStalled(5001)).toBe(true);
  dog.noteOutput(5002, 0, 100.2);
  expect(dog.isStalled(6002)).toBe(false);
  expect(dog.isStalled(6003)).toBe(true);
});

test('progress, however slow, is no stall, but it is late', () => {
  const dog = watchdog();
  for (let second = 0; second < 20; second += 1) {
    dog.noteInput(second * 1000, VIDEO, 101 + second);
    dog.noteOutput(second * 1000 + 900, 0, 100 + second / 2);
    expect(dog.isStalled(second * 1000 + 950)).toBe(false);
  }
  expect(dog.lateMs).toBeCloseTo((120 - 109.5 - 0.5) * 1000);
});

test('after a pause of the encoder the clock begins with the input that follows it', () => {
  const dog = watchdog();
  dog.noteInput(0, VIDEO, 100.1);
  dog.noteOutput(10, 0, 100.1);
  dog.noteInput(10_000, VIDEO, 110);
  expect(dog.isStalled(10_900)).toBe(false);
  expect(dog.isStalled(11_001)).toBe(true);
});

test('one hung output among others is found, and waits only for input of its own kind', () => {
  const dog = watchdog();
  for (let ms = 0; ms <= 6000; ms += 100) {
    dog.noteInput(ms, VIDEO, 100 + ms / 1000);
    dog.noteOutput(ms, 0, 100 + ms / 1000);
  }
  expect(dog.isStalled(6000)).toBe(false);
  dog.noteInput(6000, AUDIO, 106);
  expect(dog.isStalled(11_001)).toBe(true);
});
