import { expect, test } from '@jest/globals';
import { createLogger, ServiceError } from '@millrace/runtime';
import { Registry } from 'prom-client';
import { createWorkerMetrics } from '../metrics.ts';
import { Outage } from './outage.ts';

function fixture() {
  const messages: string[] = [];
  const metrics = createWorkerMetrics(new Registry());
  const logger = createLogger({
    service: 'transcode-worker',
    level: 'info',
    destination: { write: (line) => void messages.push((JSON.parse(line) as { msg: string }).msg) },
  });
  const outage = new Outage({ peer: 'packager', sessionId: 's', metrics, logger, clock: () => 0 });
  const valueOf = async (metric: 'peerFailures' | 'peerOutages'): Promise<number | undefined> =>
    (await metrics[metric].get()).values[0]?.value;
  return { messages, outage, valueOf };
}

const FAILED = 'A call to the packager failed; it is tried again until it succeeds, which is logged';
const RECOVERED = 'Calls to the packager succeed again';

test('it waits longer and longer, never more than 250 ms, and begins anew after a success', () => {
  const { outage } = fixture();
  const delays = Array.from({ length: 6 }, () => outage.failed(new Error('away')));
  for (const [index, most] of [25, 50, 100, 200, 250, 250].entries()) {
    expect(delays[index]).toBeLessThanOrEqual(most);
    // Those who failed together do not come back together.
    expect(delays[index]).toBeGreaterThanOrEqual(0.8 * most);
  }
  outage.recovered();
  expect(outage.failed(new Error('away'))).toBeLessThanOrEqual(25);
});

test('an outage is counted in full and logged when it begins, when its cause changes and when it is over', async () => {
  const { outage, messages, valueOf } = fixture();
  for (let index = 0; index < 50; index += 1) outage.failed(new Error('away'));
  expect(messages).toEqual([FAILED]);
  expect([await valueOf('peerFailures'), await valueOf('peerOutages')]).toEqual([50, 1]);
  outage.failed(new ServiceError('RESOURCE_EXHAUSTED', 'PACKAGER_MEMORY', 'full'));
  expect(messages).toEqual([FAILED, FAILED]);
  outage.recovered();
  outage.recovered();
  expect(messages).toEqual([FAILED, FAILED, RECOVERED]);
  expect(await valueOf('peerOutages')).toBe(0);
});

test('what ends in an outage is one less that waits', async () => {
  const { outage, valueOf } = fixture();
  outage.failed(new Error('away'));
  outage.end();
  outage.end();
  expect(await valueOf('peerOutages')).toBe(0);
});
