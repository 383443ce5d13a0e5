import { describe, expect, test } from '@jest/globals';
import type { EventBus, EventEnvelope } from './event-bus.ts';

function envelopeOf(id: string, channel: string): EventEnvelope {
  return {
    id,
    source: '/ingest/1',
    timeMs: 1,
    subject: 's1',
    channel,
    event: { type: 'SessionOpened', data: { channel, sessionId: 's1' } },
  };
}

/** The rules that every event bus keeps. */
export function describeEventBus(name: string, create: () => Promise<EventBus>): void {
  describe(`event bus: ${name}`, () => {
    test('every subscriber gets every event once, in order within a channel, after publish returned', async () => {
      const bus = await create();
      const seen: string[][] = [[], []];
      const done = [0, 1].map(
        (index) =>
          new Promise<void>((resolve) => {
            bus.subscribe((envelope) => {
              seen[index]?.push(envelope.id);
              if (seen[index]?.length === 100) resolve();
            });
          }),
      );
      for (let id = 0; id < 100; id += 1) bus.publish(envelopeOf(String(id), 'news'));
      expect(seen).toEqual([[], []]);
      await Promise.all(done);
      const expected = Array.from({ length: 100 }, (_, id) => String(id));
      expect(seen).toEqual([expected, expected]);
    });

    test('a handler that throws gets the next event, and disturbs no other', async () => {
      const bus = await create();
      const seen: string[] = [];
      const done = new Promise<void>((resolve) => {
        bus.subscribe((envelope) => {
          seen.push(envelope.id);
          if (envelope.id === 'b') resolve();
          throw new Error('handler');
        });
      });
      bus.publish(envelopeOf('a', 'news'));
      bus.publish(envelopeOf('b', 'news'));
      await done;
      expect(seen).toEqual(['a', 'b']);
    });

    test('an event arrives with its attributes and its data', async () => {
      const bus = await create();
      const received = new Promise<EventEnvelope>((resolve) => bus.subscribe(resolve));
      bus.publish(envelopeOf('a', 'news'));
      expect(await received).toEqual(envelopeOf('a', 'news'));
    });

    test('an event that was traced keeps its trace', async () => {
      const bus = await create();
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      const received = new Promise<EventEnvelope>((resolve) => bus.subscribe(resolve));
      bus.publish({ ...envelopeOf('a', 'news'), traceparent });
      expect((await received).traceparent).toBe(traceparent);
    });

    test('nothing is delivered after unsubscribing', async () => {
      const bus = await create();
      const seen: string[] = [];
      const unsubscribe = bus.subscribe((envelope) => void seen.push(envelope.id));
      const witness = new Promise<void>((resolve) => bus.subscribe(() => resolve()));
      unsubscribe();
      bus.publish(envelopeOf('a', 'news'));
      await witness;
      expect(seen).toEqual([]);
    });
  });
}
