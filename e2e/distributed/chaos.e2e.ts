import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { start, stopAll } from '../verbs/children.ts';
import { isLong } from '../verbs/form.ts';

const CHAOS = join(import.meta.dirname, '../../scripts/chaos');
const MINUTES = isLong ? 60 : 2;
/** In CI the same faults each time; the long form meets new ones. */
const SEED = isLong ? [] : ['--seed', '20'];

afterAll(() => stopAll(), 60_000);

test(
  'no viewer loses a segment while processes are killed, stand still and restart, and connections are cut',
  async () => {
    const run = start(CHAOS, ['--minutes', String(MINUTES), ...SEED]);
    const { code } = await run.ended;
    if (code !== 0) process.stderr.write(`${run.stdout()}\n${run.stderr()}\n`);
    expect(run.stdout()).toMatch(/chaos: [1-9]\d* faults, 0 segments missing, 0 violations/);
    expect(code).toBe(0);
  },
  (MINUTES + 8) * 60_000,
);
