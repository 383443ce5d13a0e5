import { describeMediaRelay } from '@millrace/runtime/contract';
import { createRelayFixture } from './testing/relay-fixture.ts';

describeMediaRelay('in process', createRelayFixture);
