import { test } from '@jest/globals';
import * as fc from 'fast-check';
import { ClaimMachine, claimSteps } from '../testing/claim-machine.ts';
import { MemoryLeaseStore } from './memory-lease-store.ts';
import { MemorySessionStore } from './memory-session-store.ts';

/** A run is a life of up to 60 steps: a hundredth of them tries as much as another property does. */
const RUNS = { numRuns: Math.ceil(Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 20_000) / 100), seed: 1 };

test('the embedded stores: of all publications and leases only the newest count, whatever happens in which order', async () => {
  await fc.assert(
    fc.asyncProperty(claimSteps(60), async (steps) => {
      let nowMs = 1_800_000_000_000;
      const clock = () => nowMs;
      const sessions = new MemorySessionStore({ clock });
      const leases = new MemoryLeaseStore({ clock });
      const machine = new ClaimMachine({
        now: clock,
        advance: (ms) => void (nowMs += ms),
        sessions: () => sessions,
        leases: () => leases,
        // In one process a part that ends without a word leaves the stores as they are.
        crash: () => undefined,
      });
      for (const step of steps) await machine.take(step);
    }),
    RUNS,
  );
});
