import type { CopyFixture } from '@millrace/runtime/contract';
import { PackagerHarness } from './packager-harness.ts';

/** A packager as the contract suites want it, with its ports as they are in this process. */
export async function createPackagerFixture(): Promise<CopyFixture> {
  const harness = await PackagerHarness.start();
  return {
    sink: harness.packager.sink,
    index: harness.packager.index,
    copy: harness.packager.copy,
    sessionId: harness.sessionId,
    endSession: () => harness.end(),
    stop: () => harness.stop(),
  };
}
