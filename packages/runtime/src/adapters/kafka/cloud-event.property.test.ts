import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { marshalCloudEvent, parseCloudEvent } from './cloud-event.ts';

const RUNS = { numRuns: Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 200), seed: 1 };
const HEADERS = ['ce_id', 'ce_type', 'ce_source', 'ce_time', 'ce_subject', 'traceparent'];
const TYPES = ['SessionOpened', 'SessionPrepared', 'PeriodOpened', 'SegmentPublished', 'Nothing'];

describe('CloudEvents, as properties', () => {
  test('what is marshalled is parsed back', () => {
    const text = fc.string({ minLength: 1, maxLength: 40, unit: 'binary' });
    fc.assert(
      fc.property(
        text,
        text,
        text,
        text,
        fc.integer({ min: 0, max: 4e12 }),
        (id, source, subject, channel, timeMs) => {
          const envelope = {
            id,
            source,
            timeMs,
            subject,
            channel,
            event: { type: 'SessionEnded', data: { channel, sessionId: subject } } as const,
          };
          const { key, value, headers } = marshalCloudEvent(envelope);
          expect(parseCloudEvent({ key: Buffer.from(key), value, headers })).toEqual(envelope);
        },
      ),
      RUNS,
    );
  });

  test('any record is an event, passed over or an error: never something else', () => {
    const bytes = fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array));
    const header = fc.oneof(
      bytes,
      fc.constantFrom(...TYPES.map((type) => Buffer.from(`millrace.events.v1.${type}`))),
    );
    fc.assert(
      fc.property(
        fc.option(bytes),
        fc.option(bytes),
        fc.dictionary(fc.constantFrom(...HEADERS), header),
        (key, value, headers) => {
          try {
            const envelope = parseCloudEvent({ key, value, headers });
            if (envelope !== undefined) expect(envelope.id).not.toBe('');
          } catch (error) {
            expect((error as Error).message).not.toBe('');
          }
        },
      ),
      RUNS,
    );
  });
});
