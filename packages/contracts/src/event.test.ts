import { describe, expect, test } from '@jest/globals';
import { marshalEvent, parseEvent } from './event.ts';
import type { MillraceEvent } from './event.ts';

const EVENTS: readonly MillraceEvent[] = [
  { type: 'SessionOpened', data: { channel: 'news', sessionId: 's' } },
  { type: 'PublicationLost', data: { channel: 'news', sessionId: 's', token: 2 ** 45, reason: 'closed' } },
  {
    type: 'SourceBoundaryMissed',
    data: { channel: 'news', sessionId: 's', k: 897_707_098, keyframeIntervalSeconds: 2 },
  },
  {
    type: 'RungShed',
    data: { channel: 'news', sessionId: 's', renditionId: '720p', isShed: true, lateMs: 2100 },
  },
  { type: 'StreamKeyChanged', data: { channel: 'news', streamKeyId: 'k', change: 'revoked' } },
];

describe('events', () => {
  test.each(EVENTS)('$type survives the bus', (event) => {
    const { ceType, data } = marshalEvent(event);
    expect(ceType).toBe(`millrace.events.v1.${event.type}`);
    expect(parseEvent(ceType, data)).toEqual(event);
  });

  test.each(['millrace.events.v1.Nonsense', 'other.SessionOpened', 'millrace.events.v1.constructor', ''])(
    'the unknown type %p is no event',
    (ceType) => {
      expect(parseEvent(ceType, new Uint8Array())).toBeUndefined();
    },
  );

  test('data that is cut is an error', () => {
    const { ceType, data } = marshalEvent({
      type: 'SessionOpened',
      data: { channel: 'news', sessionId: 's' },
    });
    expect(() => parseEvent(ceType, data.subarray(0, data.length - 2))).toThrow();
  });
});
