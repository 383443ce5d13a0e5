/** What was wrong with the bytes of a peer; the closed list of reasons. */
export type RtmpErrorKind =
  | 'NOT_RTMP'
  | 'TLS_ON_PLAIN_PORT'
  | 'ENCRYPTION_UNSUPPORTED'
  | 'VERSION_UNSUPPORTED'
  | 'CHUNK_WITHOUT_HEADER'
  | 'CHUNK_INSIDE_MESSAGE'
  | 'CHUNK_SIZE_INVALID'
  | 'MESSAGE_LENGTH_CHANGED'
  | 'MESSAGE_TOO_LARGE'
  | 'TOO_MANY_CHUNK_STREAMS'
  | 'TOO_MANY_PARTIAL_MESSAGES'
  | 'PARTIAL_BYTES_EXCEEDED'
  | 'CONTROL_MALFORMED'
  | 'CONTROL_FLOOD'
  | 'AGGREGATE_MALFORMED'
  | 'AMF_TRUNCATED'
  | 'AMF_TYPE_INVALID'
  | 'AMF_REFERENCE_INVALID'
  | 'AMF_TOO_DEEP'
  | 'AMF_TOO_COSTLY'
  | 'COMMAND_MALFORMED'
  | 'COMMAND_UNEXPECTED'
  | 'PENDING_INPUT_EXCEEDED';

/**
 * The bytes of a peer break the protocol or one of our limits; whoever raised it is dead afterwards.
 *
 * `offset` counts bytes: from the start of the connection for chunks, handshake and sessions, from the start of the
 * payload for AMF, control and aggregate messages.
 */
export class RtmpError extends Error {
  override readonly name = 'RtmpError';
  readonly kind: RtmpErrorKind;
  readonly offset: number;

  constructor(kind: RtmpErrorKind, offset: number, detail: string) {
    super(`${kind} at byte ${offset}: ${detail}`);
    this.kind = kind;
    this.offset = offset;
  }
}

/** Whether a caught value is an `RtmpError`; works across realms, where `instanceof` does not. */
export const isRtmpError = (value: unknown): value is RtmpError =>
  typeof value === 'object' && value !== null && 'name' in value && value.name === 'RtmpError';
