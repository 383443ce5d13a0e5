import { describeControl } from '@millrace/runtime/contract';
import { createControlFixture } from './testing/control-fixture.ts';

describeControl('in process', createControlFixture);
