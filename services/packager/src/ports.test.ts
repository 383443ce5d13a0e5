import { describeRenditionSink, describeSegmentIndex } from '@millrace/runtime/contract';
import type { PackagerFixture } from '@millrace/runtime/contract';
import { PackagerHarness } from './testing/packager-harness.ts';

async function create(): Promise<PackagerFixture> {
  const harness = await PackagerHarness.start();
  return {
    sink: harness.packager.sink,
    index: harness.packager.index,
    sessionId: harness.sessionId,
    endSession: () => harness.end(),
    stop: () => harness.stop(),
  };
}

describeRenditionSink('in process', create);
describeSegmentIndex('in process', create);
