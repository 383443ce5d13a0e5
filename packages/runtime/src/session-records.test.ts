import { expect, test } from '@jest/globals';
import type { session } from '@millrace/contracts';
import { createLogger } from './logger.ts';
import { followSessionRecords } from './session-records.ts';

function recordOf(sessionId: string): session.SessionRecord {
  return {
    sessionId,
    channel: 'news',
    state: 1,
    openedAtMs: 0,
    stateSinceMs: 0,
    graceSeconds: 30,
    periods: [],
    currentK: 0,
    revision: 1,
  };
}

test('a store that fails is asked again, said once; a record that cannot be taken does not hold up the next', async () => {
  const stopping = new AbortController();
  const lines: { readonly level: string; readonly msg: string }[] = [];
  const logger = createLogger({
    service: 'test',
    level: 'info',
    destination: { write: (line) => void lines.push(JSON.parse(line) as never) },
  });
  let watches = 0;
  const store = {
    async *watch(): AsyncIterable<session.SessionRecord> {
      watches += 1;
      if (watches <= 2) throw new Error('away');
      yield recordOf('bad');
      yield recordOf('good');
    },
  };
  const taken: string[] = [];
  await followSessionRecords(store, {
    signal: stopping.signal,
    logger,
    onRecord: ({ sessionId }) => {
      if (sessionId === 'bad') throw new Error('not this one');
      taken.push(sessionId);
      stopping.abort();
    },
  });
  expect(taken).toEqual(['good']);
  expect(watches).toBe(3);
  expect(lines.map(({ msg }) => msg)).toEqual([
    'The session records cannot be followed; live sessions go on, it is tried again',
    'The session records are followed again',
    'A change of a session was not taken',
  ]);
});
