import {
  GrpcRenditionSink,
  GrpcSegmentIndex,
  MESSAGE_LIMITS,
  renditionSinkService,
  segmentIndexService,
} from '@millrace/runtime';
import { describeOverGrpc, describeRenditionSink, describeSegmentIndex } from '@millrace/runtime/contract';
import type { PackagerFixture, StartLoopback } from '@millrace/runtime/contract';
import { createPackagerFixture } from './testing/packager-fixture.ts';

async function create(start: StartLoopback): Promise<PackagerFixture> {
  const fixture = await createPackagerFixture();
  const loopback = await start({
    services: [renditionSinkService(fixture.sink), segmentIndexService(fixture.index)],
    limits: MESSAGE_LIMITS.packager,
  });
  return {
    ...fixture,
    sink: new GrpcRenditionSink(loopback.channel, { metrics: loopback.metrics }),
    index: new GrpcSegmentIndex(loopback.channel),
    async stop() {
      await loopback.stop();
      await fixture.stop();
    },
  };
}

describeOverGrpc((security, start) => {
  describeRenditionSink(security, () => create(start));
  describeSegmentIndex(security, () => create(start));
});
