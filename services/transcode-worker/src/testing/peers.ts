import { LocalSessionPeers } from '@millrace/runtime';
import type { MediaRelay, RenditionSink, SessionPeers } from '@millrace/runtime';

/** One ingest and one packager, of which a worker reads no index. */
export function peersOf(relay: MediaRelay, sink: RenditionSink): SessionPeers {
  const index = {
    // eslint-disable-next-line require-yield -- it only refuses
    async *watch() {
      throw new Error('a worker reads no index');
    },
  };
  return new LocalSessionPeers({ relay, packager: { sink, index } });
}
