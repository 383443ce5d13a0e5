import { expect, test } from '@jest/globals';
import { stopInOrder } from './stop-in-order.ts';

/** Services that take so long to stop, or that fail, on a clock of their own. */
function fixture(tookMs: Readonly<Record<string, number | Error>>) {
  let nowMs = 1000;
  const told: [name: string, deadlineMs: number][] = [];
  const services = Object.entries(tookMs).map(([name, took]) => ({
    async stop(deadlineMs: number): Promise<void> {
      told.push([name, deadlineMs]);
      await Promise.resolve();
      if (typeof took !== 'number') throw took;
      nowMs += took;
    },
  }));
  return { told, services, now: () => nowMs };
}

test('one deadline is shared: each is given what those before it have left', async () => {
  const { told, services, now } = fixture({ worker: 3000, ingest: 0, api: 6000, packager: 10 });
  await stopInOrder(services, 8000, now);
  expect(told).toEqual([
    ['worker', 8000],
    ['ingest', 5000],
    ['api', 5000],
    ['packager', 0],
  ]);
});

test('one that fails holds up nobody, and is told of at the end', async () => {
  const failure = new Error('stuck');
  const { told, services, now } = fixture({ worker: failure, packager: 0 });
  await expect(stopInOrder(services, 8000, now)).rejects.toMatchObject({ errors: [failure] });
  expect(told.map(([name]) => name)).toEqual(['worker', 'packager']);
});
