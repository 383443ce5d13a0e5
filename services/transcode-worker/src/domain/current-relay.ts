import type { relay, session } from '@millrace/contracts';
import type { MediaRelay, SessionPeers } from '@millrace/runtime';

/** The relay of the ingest that has the session at the moment of each call: an encoder may come back to another one. */
export class CurrentRelay implements MediaRelay {
  readonly #peers: Pick<SessionPeers, 'relayOf'>;
  readonly #record: () => session.SessionRecord;

  constructor(peers: Pick<SessionPeers, 'relayOf'>, record: () => session.SessionRecord) {
    this.#peers = peers;
    this.#record = record;
  }

  subscribe(request: relay.SubscribeRequest, signal: AbortSignal): AsyncIterable<relay.SubscribeResponse> {
    return this.#peers.relayOf(this.#record()).subscribe(request, signal);
  }

  openPeriod(request: relay.OpenPeriodRequest): Promise<relay.OpenPeriodResponse> {
    return this.#peers.relayOf(this.#record()).openPeriod(request);
  }
}
