import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { sink } from '@millrace/contracts';
import { PartPublisher } from './part-publisher.ts';

const PART: sink.Part = {
  renditionId: '180p',
  position: { k: 1, part: 0 },
  period: 0,
  msn: 1,
  discontinuitySequence: 0,
  hasDiscontinuity: false,
  runFirstK: 0,
  baseMediaDecodeTime: 0,
  durationTicks: 1,
  isIndependent: true,
  isGap: false,
  isLast: true,
  utcOffsetUs: 0,
  data: Buffer.alloc(10),
};

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
});
afterEach(() => {
  jest.useRealTimers();
});

function fixture() {
  const answers: PromiseWithResolvers<void>[] = [];
  const answer = (): Promise<void> => {
    const next = Promise.withResolvers<void>();
    answers.push(next);
    return next.promise;
  };
  const failures: unknown[] = [];
  const onAcknowledged = jest.fn();
  const close = jest.fn();
  const publisher = new PartPublisher(
    { reply: { renditions: [], inits: [] }, publishInit: answer, publishPart: answer, close },
    { onAcknowledged, onFailure: (error) => void failures.push(error) },
  );
  return { answers, failures, onAcknowledged, publisher };
}

test('a packager that acknowledges nothing for 5 s fails the stream, and nobody waits for it any more', async () => {
  const { answers, failures, onAcknowledged, publisher } = fixture();
  publisher.publish(PART);
  publisher.publish(PART);
  await jest.advanceTimersByTimeAsync(4000);
  answers[0]?.resolve();
  await jest.advanceTimersByTimeAsync(4000);
  expect(onAcknowledged).toHaveBeenCalledTimes(1);
  expect(failures).toEqual([]);
  const settled = publisher.settled();
  await jest.advanceTimersByTimeAsync(1000);
  expect(failures).toMatchObject([{ id: 'WORKER_PACKAGER_SILENT', retryable: true }]);
  await settled;
  answers[1]?.resolve();
  await jest.advanceTimersByTimeAsync(0);
  expect(onAcknowledged).toHaveBeenCalledTimes(1);
});

test('a stream with nothing that waits may be silent for ever', async () => {
  const { answers, failures, publisher } = fixture();
  publisher.publish(PART);
  answers[0]?.resolve();
  await jest.advanceTimersByTimeAsync(60_000);
  expect(failures).toEqual([]);
  publisher.publish(PART);
  publisher.close();
  await jest.advanceTimersByTimeAsync(60_000);
  expect(failures).toEqual([]);
});

test('the first refusal fails the stream; parts with media that were refused or came after it are counted', async () => {
  const { answers, failures, publisher } = fixture();
  publisher.publish(PART);
  publisher.publish({ ...PART, isGap: true, data: Buffer.alloc(0) });
  for (const { reject } of answers) reject(new Error('no'));
  await jest.advanceTimersByTimeAsync(0);
  publisher.publish(PART);
  expect(failures).toEqual([new Error('no')]);
  expect(answers).toHaveLength(2);
  expect(publisher.refusedParts).toBe(2);
});

test('an init segment that another one was fixed for is told; those of periods before are forgotten', () => {
  const { answers, publisher } = fixture();
  const init = (period: number, text: string) => ({ renditionId: 'a', period, data: Buffer.from(text) });
  expect(publisher.publishInit(init(0, 'first'))).toBe(true);
  expect(publisher.publishInit(init(0, 'first'))).toBe(true);
  expect(publisher.publishInit(init(0, 'other'))).toBe(false);
  expect(publisher.publishInit(init(1, 'second'))).toBe(true);
  expect(answers).toHaveLength(2);
  // What is not known any more is asked of the packager again.
  expect(publisher.publishInit(init(0, 'first'))).toBe(true);
  expect(answers).toHaveLength(3);
  publisher.close();
});
