import { controlService, GrpcControl, MESSAGE_LIMITS } from '@millrace/runtime';
import { describeControl, describeOverGrpc } from '@millrace/runtime/contract';
import { createControlFixture } from './testing/control-fixture.ts';

describeOverGrpc((security, start) => {
  describeControl(security, async () => {
    const fixture = await createControlFixture();
    const loopback = await start({
      services: [controlService(fixture.control)],
      limits: MESSAGE_LIMITS.control,
    });
    return {
      ...fixture,
      control: new GrpcControl(loopback.channel, (call) => call()),
      async stop() {
        await loopback.stop();
        await fixture.stop();
      },
    };
  });
});
