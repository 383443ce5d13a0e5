import { describeRenditionSink, describeSegmentIndex } from '@millrace/runtime/contract';
import { createPackagerFixture } from './testing/packager-fixture.ts';

describeRenditionSink('in process', createPackagerFixture);
describeSegmentIndex('in process', createPackagerFixture);
