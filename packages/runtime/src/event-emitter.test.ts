import { expect, test } from '@jest/globals';
import { createEventEmitter } from './event-emitter.ts';
import type { EventEnvelope } from './ports/event-bus.ts';

test('an event gets an id of its own that begins with its time, its source, its channel and its session', () => {
  const envelopes: EventEnvelope[] = [];
  const bus = {
    publish: (envelope: EventEnvelope) => void envelopes.push(envelope),
    subscribe: () => () => undefined,
  };
  const emitter = createEventEmitter(bus, {
    service: 'ingest',
    instance: 'a',
    clock: () => 1_700_000_000_000,
  });
  const event = { type: 'SessionEnded', data: { channel: 'news', sessionId: 's1' } } as const;
  for (let count = 0; count < 5000; count += 1) emitter.emit(event);
  expect(envelopes[0]).toMatchObject({
    ...{ source: '/ingest/a', timeMs: 1_700_000_000_000, channel: 'news', subject: 's1', event },
    id: expect.stringMatching(/^01HF7YAT00[0-9A-HJKMNP-TV-Z]{16}$/),
  });
  expect(new Set(envelopes.map(({ id }) => id)).size).toBe(5000);
  // Every character comes in every place, as it would by chance.
  for (let place = 10; place < 26; place += 1) {
    expect(new Set(envelopes.map(({ id }) => id[place])).size).toBe(32);
  }
});
