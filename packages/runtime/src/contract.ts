/** Contract suites that adapters in other packages run: for tests only, since they bring Jest with them. */
export { describeRenditionSink } from './ports/rendition-sink.contract.ts';
export type { PackagerFixture } from './ports/rendition-sink.contract.ts';
export { describeSegmentIndex } from './ports/segment-index.contract.ts';
