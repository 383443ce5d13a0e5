import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { describeEventBus } from '../ports/event-bus.contract.ts';
import { MemoryEventBus } from './memory-event-bus.ts';

const logger = pino({ level: 'silent' });

describeEventBus('memory', async () => new MemoryEventBus({ logger, registry: new Registry() }));

test('a subscriber that does not come back costs a bounded queue: the oldest are dropped and counted', async () => {
  const registry = new Registry();
  const bus = new MemoryEventBus({ logger, registry, capacity: 10 });
  const seen: string[] = [];
  let release = (): void => {};
  const blocked = new Promise<void>((resolve) => (release = resolve));
  const last = new Promise<void>((resolve) => {
    bus.subscribe(async (envelope) => {
      await blocked;
      seen.push(envelope.id);
      if (envelope.id === '99') resolve();
    });
  });
  for (let id = 0; id < 100; id += 1) {
    bus.publish({
      id: String(id),
      source: '/test/1',
      timeMs: 0,
      subject: '',
      channel: 'news',
      event: { type: 'SessionEnded', data: { channel: 'news', sessionId: 's' } },
    });
  }
  release();
  await last;
  expect(seen).toHaveLength(10);
  expect(seen[0]).toBe('90');
  expect(await registry.metrics()).toContain('\nmillrace_events_dropped_total 90\n');
});
