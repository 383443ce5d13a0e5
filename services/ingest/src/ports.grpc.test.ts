import { GrpcMediaRelay, mediaRelayService, MESSAGE_LIMITS } from '@millrace/runtime';
import { describeMediaRelay, describeOverGrpc } from '@millrace/runtime/contract';
import { createRelayFixture } from './testing/relay-fixture.ts';

describeOverGrpc((security, start) => {
  describeMediaRelay(security, async () => {
    const fixture = await createRelayFixture();
    const loopback = await start({
      services: [mediaRelayService(fixture.relay)],
      limits: MESSAGE_LIMITS.relay,
    });
    return {
      ...fixture,
      relay: new GrpcMediaRelay(loopback.channel),
      async stop() {
        await loopback.stop();
        await fixture.stop();
      },
    };
  });
});
