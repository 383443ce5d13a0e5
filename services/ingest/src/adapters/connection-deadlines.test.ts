import { describe, expect, test } from '@jest/globals';
import { ingestConfigSchema } from '../config.ts';
import { judgeDeadlines } from './connection-deadlines.ts';
import type { ConnectionTimes } from './connection-deadlines.ts';

const { limits } = ingestConfigSchema.parse({});
const FRESH: ConnectionTimes = {
  phase: 'handshake',
  phaseSinceMs: 0,
  openedAtMs: 0,
  lastInputMs: 0,
  lastMediaMs: undefined,
  lastPingMs: 0,
  hasPublication: false,
};
const publishing = { ...FRESH, phase: 'publishing', hasPublication: true } as const;

describe('deadlines of a connection', () => {
  test.each<[string, Partial<ConnectionTimes>, number, ReturnType<typeof judgeDeadlines>]>([
    ['a handshake may take 5 s', FRESH, 5000, 'none'],
    ['no longer', FRESH, 5001, { refuse: 'INGEST_HANDSHAKE_TIMEOUT' }],
    ['connect may take 5 s', { phase: 'connecting' }, 5001, { refuse: 'INGEST_CONNECT_TIMEOUT' }],
    ['publish may take 10 s', { phase: 'connected', lastInputMs: 9000 }, 10_000, 'none'],
    ['no longer', { phase: 'connected', lastInputMs: 9000 }, 10_001, { refuse: 'INGEST_PUBLISH_TIMEOUT' }],
    ['the store has its own deadline', { phase: 'authorizing' }, 100_000, 'none'],
    ['a publication without any media is lost after 5 s', publishing, 5001, 'media-lost'],
    ['media keeps it', { ...publishing, lastMediaMs: 4000, lastInputMs: 4000 }, 9000, 'none'],
    ['a publication whose media stops is lost', { ...publishing, lastMediaMs: 4000 }, 9001, 'media-lost'],
    [
      'a peer that sends nothing at all is closed after 30 s',
      { ...publishing, hasPublication: false, lastMediaMs: 0 },
      30_001,
      { refuse: 'INGEST_CONNECTION_TIMEOUT' },
    ],
    [
      'one that sends, but no media, after 60 s',
      { ...publishing, hasPublication: false, lastInputMs: 60_000 },
      60_001,
      { refuse: 'INGEST_IDLE_TIMEOUT' },
    ],
    [
      'a publication that begins on an old connection has the time of every other',
      { ...publishing, phaseSinceMs: 100_000, lastInputMs: 100_000, lastPingMs: 100_000 },
      104_000,
      'none',
    ],
    [
      'a silent peer is asked for a sign of life',
      { ...publishing, hasPublication: false, lastMediaMs: 0 },
      10_001,
      'ping',
    ],
    [
      'once in 10 s',
      { ...publishing, hasPublication: false, lastMediaMs: 0, lastPingMs: 10_001 },
      20_000,
      'none',
    ],
  ])('%s', (_name, times, nowMs, verdict) => {
    expect(judgeDeadlines({ ...FRESH, ...times }, limits, nowMs)).toEqual(verdict);
  });
});
