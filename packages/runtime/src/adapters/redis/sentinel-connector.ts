import { SentinelConnector } from 'ioredis';

/**
 * Finds the master through Sentinels, and leaves no connection to them behind.
 *
 * That of ioredis begins to listen to the Sentinels when its connection to the master is there, also when it was told to end
 * meanwhile: nobody would end those connections, which are tried again for ever.
 */
export class OwnedSentinelConnector extends SentinelConnector {
  /** As ioredis makes it, of all options of its client. */
  constructor(options: unknown) {
    super(options as ConstructorParameters<typeof SentinelConnector>[0]);
  }

  override disconnect(): void {
    super.disconnect();
    // Whoever is destroyed never says that it has connected; one that has is ended in order.
    if (this.stream?.connecting || isSecuring(this.stream)) this.stream.destroy();
  }
}

/** True for a TLS connection whose handshake is under way. */
function isSecuring(stream: object | undefined): boolean {
  return stream !== undefined && 'secureConnecting' in stream && stream.secureConnecting === true;
}
