import { describe, expect, test } from '@jest/globals';
import { marshalAmf0 } from '../amf/amf0.ts';
import { amfObject } from '../amf/amf-value.ts';
import { HANDSHAKE_BYTES } from '../handshake/digest.ts';
import { cutAt, fuzz, FUZZ_RUNS } from '../testdata/fuzz.ts';
import { command, concat, connect, data, FFMPEG_PUBLISH, hex, media, rawMessage } from '../testdata/wire.ts';
import type { RtmpServerEvent } from './server-event.ts';
import { RtmpServerSession } from './server-session.ts';

const HANDSHAKE = FFMPEG_PUBLISH.subarray(0, 1 + 2 * HANDSHAKE_BYTES);
const PUBLISH = FFMPEG_PUBLISH.subarray(HANDSHAKE.length);
const MEDIA = concat(
  data('@setDataFrame', 'onMetaData', amfObject({ width: 1 })),
  media('video', 0, new Uint8Array(200)),
  media('audio', 20, hex('af01')),
  rawMessage({ typeId: 4, csid: 2, payload: hex('0006 00000001') }),
  rawMessage({ typeId: 22, streamId: 1, payload: hex('08 000002 000064 00 000000 af01 0000000d') }),
  command('deleteStream', 7, [null, 1]),
);
const SEEDS = [
  concat(PUBLISH, MEDIA),
  concat(
    connect({ app: 'live?key=x' }),
    rawMessage({ typeId: 17, payload: concat(hex('00'), marshalAmf0(['createStream', 2, null])) }),
    command('publish', 0, [null, '', 'live'], { streamId: 1 }),
    MEDIA,
  ),
];

const summaryOf = (event: RtmpServerEvent): string => {
  if (event.kind === 'message') return `${event.type}@${event.timestampMs}:${event.payload.length}`;
  if (event.kind === 'error') return event.error.kind;
  return event.kind === 'publish-request' ? `${event.target.app}/${event.target.streamKey}` : event.kind;
};

const randomFill = (bytes: Uint8Array): void => void bytes.fill(1);

/** The events of the pieces, each request accepted when `accept` says so. */
const run = (
  pieces: readonly Uint8Array[],
  check: (session: RtmpServerSession) => void = () => {},
): string => {
  const session = new RtmpServerSession(0, { randomFill });
  let text = '';
  const take = (events: readonly RtmpServerEvent[]): void => {
    for (const event of events) {
      text += `${summaryOf(event)};`;
      if (event.kind === 'publish-request') take(session.acceptPublish(0));
    }
  };
  for (const piece of pieces) {
    take(session.push(piece, 0));
    session.takeOutput();
    check(session);
  }
  return text;
};

describe('server session, properties', () => {
  test('any cut of a whole conversation gives the same events', () => {
    for (const seed of SEEDS) {
      const bytes = concat(HANDSHAKE, seed);
      const whole = run([bytes]);
      expect(whole).toContain('audio@');
      for (let cut = 0; cut < bytes.length; cut += cut < HANDSHAKE.length - 2 ? 97 : 1) {
        expect(run(cutAt(bytes, [cut]))).toBe(whole);
      }
      expect(run([...bytes].map((byte) => Uint8Array.of(byte)))).toBe(whole);
    }
  });

  test('mutated conversations never throw, give the same events when cut, and hold bounded memory', () => {
    let cut = 0;
    let dead = 0;
    const runs = fuzz(SEEDS, (bytes) => {
      cut += 7;
      const whole = run([HANDSHAKE, bytes], (session) => {
        if (session.heldBytes > 1_000_000) throw new Error(`${session.heldBytes} bytes held`);
        if (session.phase === 'closed') dead += 1;
      });
      const split = run([HANDSHAKE, ...cutAt(bytes, [cut])]);
      if (whole !== split) throw new Error(`${whole} but split ${split}`);
    });
    expect(runs).toBeGreaterThanOrEqual(FUZZ_RUNS);
    expect(dead).toBeGreaterThan(runs / 20);
  });

  test('mutated handshakes never throw', () => {
    const runs = fuzz([HANDSHAKE.subarray(0, 64), HANDSHAKE], (bytes) => void run([bytes]));
    expect(runs).toBeGreaterThanOrEqual(FUZZ_RUNS);
  });
});
