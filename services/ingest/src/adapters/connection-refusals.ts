import type { LossReason } from '../domain/publication.ts';

const REFUSALS = [
  ['INGEST_CONNECTION_LIMIT', 'This server has as many connections as it may: try again later'],
  ['INGEST_ADDRESS_LIMIT', 'Too many connections from this address: close some first'],
  ['INGEST_PROXY_HEADER_MISSING', 'The balancer sent no header of the PROXY protocol in time'],
  ['INGEST_PROXY_HEADER_INVALID', 'The balancer sent no valid header of the PROXY protocol, version 2'],
  [
    'INGEST_PROXY_HEADER_UNTRUSTED',
    'A header of the PROXY protocol came from an address that is not in rtmp.proxyProtocol.trustedAddresses',
  ],
  ['INGEST_HANDSHAKE_TIMEOUT', 'The RTMP handshake was not finished in time'],
  ['INGEST_CONNECT_TIMEOUT', 'No connect came in time after the handshake'],
  ['INGEST_PUBLISH_TIMEOUT', 'No publish came in time after connect'],
  ['INGEST_CONNECTION_TIMEOUT', 'Nothing at all came for too long'],
  ['INGEST_IDLE_TIMEOUT', 'The connection carried no media for too long'],
  ['INGEST_BITRATE_LIMIT', 'The encoder sends faster than this server takes: lower its bitrate'],
  ['INGEST_OUTPUT_LIMIT', 'The encoder does not read what the server answers'],
  ['INGEST_HELD_BYTES_LIMIT', 'Unfinished messages hold too much memory'],
] as const;

/** Stable id of a reason for which we close a connection. */
export type ConnectionRefusal = (typeof REFUSALS)[number][0];

/** The same in words for people: encoders show them, and the log has them. */
export const CONNECTION_REFUSALS = Object.fromEntries(REFUSALS) as Readonly<
  Record<ConnectionRefusal, string>
>;

/** What an encoder is told when its publication ends; OBS shows the text. */
export const GOODBYES: Readonly<Record<LossReason, string>> = {
  closed: 'Closed',
  'no-media': 'No media came for too long',
  'taken-over': 'Another encoder has taken this channel over',
  'key-revoked': 'The stream key was revoked',
  'channel-disabled': 'The channel was disabled',
  'protocol-error': 'The media could not be understood',
  limit: 'A limit of this server was reached',
  shutdown: 'This server is shutting down: reconnect',
};
