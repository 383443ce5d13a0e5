import { describe, expect, test } from '@jest/globals';
import type { EventEnvelope } from '../../ports/event-bus.ts';
import { marshalCloudEvent, parseCloudEvent } from './cloud-event.ts';
import type { ReceivedRecord } from './cloud-event.ts';

const envelope: EventEnvelope = {
  id: '01JD',
  source: '/ingest/ingest-1',
  timeMs: Date.UTC(2026, 10, 23, 9, 30, 0, 125),
  subject: 's1',
  channel: 'news',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  event: { type: 'SessionOpened', data: { channel: 'news', sessionId: 's1' } },
};

/** As Kafka hands out what was written. */
function received(change: Partial<Record<string, string | undefined>> = {}): ReceivedRecord {
  const { key, value, headers } = marshalCloudEvent(envelope);
  const all = Object.entries({ ...headers, ...change });
  return {
    key: Buffer.from(key),
    value,
    headers: Object.fromEntries(
      all.map(([name, text]) => [name, text === undefined ? undefined : Buffer.from(text)]),
    ),
  };
}

describe('CloudEvents in binary mode', () => {
  test('have the attributes in headers, the channel as key and the message as value', () => {
    const record = marshalCloudEvent(envelope);
    expect(record.key).toBe('news');
    expect(record.headers).toEqual({
      ce_specversion: '1.0',
      ce_id: '01JD',
      ce_type: 'millrace.events.v1.SessionOpened',
      ce_source: '/ingest/ingest-1',
      ce_time: '2026-11-23T09:30:00.125Z',
      ce_subject: 's1',
      traceparent: envelope.traceparent,
      'content-type': 'application/protobuf',
    });
    expect(record.value.toString('latin1')).toBe('\n\x04news\x12\x02s1');
  });

  test('leave out what is not there', () => {
    const { traceparent: _, ...untraced } = envelope;
    const { headers } = marshalCloudEvent({ ...untraced, subject: '' });
    expect(Object.keys(headers)).not.toContain('ce_subject');
    expect(Object.keys(headers)).not.toContain('traceparent');
  });

  test('come back as they went', () => {
    expect(parseCloudEvent(received())).toEqual(envelope);
  });

  test('of a type that this build does not know are passed over', () => {
    expect(parseCloudEvent(received({ ce_type: 'millrace.events.v1.FromTheFuture' }))).toBeUndefined();
  });

  test.each([
    ['no id', { ce_id: undefined }, 'ce_id is missing'],
    ['no type', { ce_type: '' }, 'ce_type is missing'],
    ['a time that is none', { ce_time: 'yesterday' }, 'ce_time is no RFC 3339 time'],
    ['an endless source', { ce_source: 'x'.repeat(513) }, 'ce_source has 513 bytes'],
  ])('with %s are refused', (_name, change, message) => {
    expect(() => parseCloudEvent(received(change))).toThrow(message);
  });

  test('with a header twice, or with data that is no message, are refused', () => {
    const record = received();
    const twice = { ...record, headers: { ...record.headers, ce_id: ['a', 'b'] } };
    expect(() => parseCloudEvent(twice)).toThrow('ce_id is there 2 times');
    expect(() => parseCloudEvent({ ...record, value: Buffer.from([0x0a, 0x7f]) })).toThrow();
  });

  test('cannot be made of a time that is none', () => {
    expect(() => marshalCloudEvent({ ...envelope, timeMs: Number.NaN })).toThrow(RangeError);
  });
});
