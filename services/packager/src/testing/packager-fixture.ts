import type { PackagerFixture } from '@millrace/runtime/contract';
import { PackagerHarness } from './packager-harness.ts';

/** A packager as the contract suites want it, with its ports as they are in this process. */
export async function createPackagerFixture(): Promise<PackagerFixture> {
  const harness = await PackagerHarness.start();
  return {
    sink: harness.packager.sink,
    index: harness.packager.index,
    sessionId: harness.sessionId,
    endSession: () => harness.end(),
    stop: () => harness.stop(),
  };
}
