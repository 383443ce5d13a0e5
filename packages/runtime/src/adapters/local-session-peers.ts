import type { MediaRelay } from '../ports/media-relay.ts';
import type { PlacedPackager, SessionPeers } from '../ports/session-peers.ts';

/** The peers inside one process: every session has the same ingest and the same packager, whatever its record says. */
export class LocalSessionPeers implements SessionPeers {
  readonly #relay: MediaRelay;
  readonly #packagers: readonly PlacedPackager[];

  constructor(peers: { readonly relay: MediaRelay; readonly packager: Omit<PlacedPackager, 'id'> }) {
    this.#relay = peers.relay;
    this.#packagers = [{ id: 'local', ...peers.packager }];
  }

  relayOf(): MediaRelay {
    return this.#relay;
  }

  packagersOf(): readonly PlacedPackager[] {
    return this.#packagers;
  }
}
