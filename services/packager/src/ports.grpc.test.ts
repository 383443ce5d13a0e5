import {
  GrpcRenditionSink,
  GrpcSegmentIndex,
  GrpcSessionCopy,
  MESSAGE_LIMITS,
  renditionSinkService,
  segmentIndexService,
  sessionCopyService,
} from '@millrace/runtime';
import {
  describeOverGrpc,
  describeRenditionSink,
  describeSegmentIndex,
  describeSessionCopy,
} from '@millrace/runtime/contract';
import type { CopyFixture, StartLoopback } from '@millrace/runtime/contract';
import { createPackagerFixture } from './testing/packager-fixture.ts';

async function create(start: StartLoopback): Promise<CopyFixture> {
  const fixture = await createPackagerFixture();
  const loopback = await start({
    services: [
      renditionSinkService(fixture.sink),
      segmentIndexService(fixture.index),
      sessionCopyService(fixture.copy),
    ],
    limits: MESSAGE_LIMITS.twin,
  });
  return {
    ...fixture,
    sink: new GrpcRenditionSink(loopback.channel, { metrics: loopback.metrics }),
    index: new GrpcSegmentIndex(loopback.channel),
    copy: new GrpcSessionCopy(loopback.channel),
    async stop() {
      await loopback.stop();
      await fixture.stop();
    },
  };
}

describeOverGrpc((security, start) => {
  describeRenditionSink(security, () => create(start));
  describeSegmentIndex(security, () => create(start));
  describeSessionCopy(security, () => create(start));
});
