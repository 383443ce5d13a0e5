/** Contract suites that adapters in other packages run: for tests only, since they bring Jest with them. */
export { describeControl } from './ports/control.contract.ts';
export type { ControlFixture } from './ports/control.contract.ts';
export { describeRenditionSink } from './ports/rendition-sink.contract.ts';
export type { PackagerFixture } from './ports/rendition-sink.contract.ts';
export { describeSegmentIndex } from './ports/segment-index.contract.ts';
export { describeSessionCopy } from './ports/session-copy.contract.ts';
export type { CopyFixture } from './ports/session-copy.contract.ts';
export { describeMediaRelay } from './ports/media-relay.contract.ts';
export type { MediaRelayFixture } from './ports/media-relay.contract.ts';
export { describeOverGrpc } from './adapters/grpc/testing/loopback.ts';
export type { Loopback, StartLoopback } from './adapters/grpc/testing/loopback.ts';
export { eventually } from './testing/eventually.ts';
export { useRedis, useRedisServer } from './testing/redis-fixture.ts';
export { startRedisCluster, startSecuredRedis } from './testing/redis-topologies.ts';
