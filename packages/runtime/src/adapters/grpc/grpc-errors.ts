import { ServiceError } from '../../service-error.ts';
import type { ServiceErrorCode } from '../../service-error.ts';

/** The one entry of the trailing metadata that has what gRPC's status has no place for, as JSON. */
const ERROR_ENTRY = 'millrace-error-bin';
/** Peers take 64 KiB of headers. */
const MAX_ENTRY_BYTES = 4096;
const MAX_MESSAGE_CHARACTERS = 1024;
const ERROR_ID = /^[A-Z][A-Z0-9_]{2,63}$/;

/** A failure as gRPC sends it. */
export interface ErrorStatus {
  readonly code: number;
  readonly details: string;
  /** Name and bytes of the metadata entry. */
  readonly entry: readonly [name: string, value: Buffer];
}

/** A failure as gRPC's client gives it. */
export interface ReceivedStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: { get(name: string): readonly (string | Buffer)[] };
}

const STATUS: Readonly<Record<ServiceErrorCode, number>> = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
};

interface Meaning {
  readonly code: ServiceErrorCode;
  readonly id: string;
  readonly text: string;
  readonly retryable: boolean;
}

function meaning(code: ServiceErrorCode, id: string, text: string, retryable = false): Meaning {
  return { code, id, text, retryable };
}

/** What a status means that says no more: it comes from gRPC itself, or from a peer that is not ours. */
const MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  // Whoever cancels here waits for nothing any more, so it was the peer, or the connection under it.
  [1, meaning('UNAVAILABLE', 'GRPC_CANCELLED', 'The peer has ended the call', true)],
  [2, meaning('INTERNAL', 'GRPC_UNKNOWN', 'The peer has failed and does not say how')],
  [3, meaning('INVALID_ARGUMENT', 'GRPC_INVALID_ARGUMENT', 'The peer does not take the request')],
  [4, meaning('DEADLINE_EXCEEDED', 'GRPC_DEADLINE_EXCEEDED', 'The peer has not answered in time', true)],
  [5, meaning('NOT_FOUND', 'GRPC_NOT_FOUND', 'The peer does not know what is asked for')],
  [6, meaning('ALREADY_EXISTS', 'GRPC_ALREADY_EXISTS', 'The peer has it already')],
  [7, meaning('PERMISSION_DENIED', 'GRPC_PERMISSION_DENIED', 'The peer does not allow the call')],
  [8, meaning('RESOURCE_EXHAUSTED', 'GRPC_RESOURCE_EXHAUSTED', 'A message or a limit is exceeded')],
  [9, meaning('FAILED_PRECONDITION', 'GRPC_FAILED_PRECONDITION', 'The peer is not in the state for it')],
  [10, meaning('ABORTED', 'GRPC_ABORTED', 'The peer has given the call up', true)],
  [11, meaning('INVALID_ARGUMENT', 'GRPC_OUT_OF_RANGE', 'The peer has no such range')],
  [12, meaning('INTERNAL', 'GRPC_UNIMPLEMENTED', 'The peer does not serve this call: look at its address')],
  [13, meaning('INTERNAL', 'GRPC_INTERNAL', 'The peer has failed')],
  [14, meaning('UNAVAILABLE', 'GRPC_UNAVAILABLE', 'The peer cannot be reached or is going away', true)],
  [15, meaning('INTERNAL', 'GRPC_DATA_LOSS', 'The peer has lost data')],
  [16, meaning('UNAUTHENTICATED', 'GRPC_UNAUTHENTICATED', 'The peer does not know who calls')],
]);

const NO_STATUS = meaning(
  'INTERNAL',
  'GRPC_STATUS_INVALID',
  'The peer gives a status that gRPC does not have',
);

/** grpc-js calls a stream that the transport has reset an internal failure. */
const RESET = /^Received RST_STREAM with code /;
const CONNECTION_LOST = meaning(
  'UNAVAILABLE',
  'GRPC_CONNECTION_LOST',
  'The connection broke off in the middle of the call',
  true,
);

/** Makes a failure what gRPC sends. What is not a `ServiceError` becomes `GRPC_HANDLER_FAILED`, without its text. */
export function toStatus(error: unknown): ErrorStatus {
  const { code, message, ...rest } = toServiceError(error);
  return {
    code: STATUS[code],
    // A cut can leave half a character, which cannot be sent.
    details: message.slice(0, MAX_MESSAGE_CHARACTERS).toWellFormed(),
    entry: [ERROR_ENTRY, marshalEntry(rest)],
  };
}

/** Makes what a port has thrown a named error. */
export function toServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  return new ServiceError(
    'INTERNAL',
    'GRPC_HANDLER_FAILED',
    'The service has failed in a way that it has no name for; its log says how',
    { cause: error },
  );
}

/** Makes a status that gRPC's client gives a named error; nothing in it is trusted. */
export function fromStatus({ code, details, metadata }: ReceivedStatus): ServiceError {
  const known = code === 13 && RESET.test(details) ? CONNECTION_LOST : (MEANINGS.get(code) ?? NO_STATUS);
  const entry = unmarshalEntry(metadata.get(ERROR_ENTRY)[0]);
  const said = details.slice(0, MAX_MESSAGE_CHARACTERS);
  if (entry !== undefined) return new ServiceError(known.code, entry.id, said, entry);
  return new ServiceError(known.code, known.id, `${known.text} (${said})`, { retryable: known.retryable });
}

/** Makes a code that a peer wrote one of ours. */
export function toErrorCode(name: string): ServiceErrorCode {
  const known = Object.keys(STATUS).find((code) => code === name);
  return (known as ServiceErrorCode | undefined) ?? 'INTERNAL';
}

/** Makes an id that a peer wrote one that a log and a metric can bear. */
export function toErrorId(id: string): string {
  return ERROR_ID.test(id) ? id : NO_STATUS.id;
}

type Entry = Pick<ServiceError, 'id' | 'retryable' | 'details'>;

function marshalEntry({ id, retryable, details }: Entry): Buffer {
  const bare = Buffer.from(JSON.stringify({ id, retryable }));
  try {
    const whole = Buffer.from(JSON.stringify({ id, retryable, details }));
    return whole.byteLength > MAX_ENTRY_BYTES ? bare : whole;
  } catch {
    // Details that JSON has no form for are for the log of this side.
    return bare;
  }
}

function unmarshalEntry(value: string | Buffer | undefined): Entry | undefined {
  if (!Buffer.isBuffer(value) || value.byteLength > MAX_ENTRY_BYTES) return undefined;
  let entry: unknown;
  try {
    entry = JSON.parse(value.toString());
  } catch {
    return undefined;
  }
  if (!isRecord(entry)) return undefined;
  const { id, retryable, details = {} } = entry;
  if (typeof id !== 'string' || !ERROR_ID.test(id) || typeof retryable !== 'boolean') return undefined;
  return { id, retryable, details: isRecord(details) ? details : {} };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
