import { describeRenditionSink, describeSegmentIndex, describeSessionCopy } from '@millrace/runtime/contract';
import { createPackagerFixture } from './testing/packager-fixture.ts';

describeRenditionSink('in process', createPackagerFixture);
describeSegmentIndex('in process', createPackagerFixture);
describeSessionCopy('in process', createPackagerFixture);
