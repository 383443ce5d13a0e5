/** gRPC's status code names, the ones this project uses. */
export type ServiceErrorCode =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'UNAUTHENTICATED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED'
  | 'INTERNAL';

/**
 * A failure of a service, with a stable id that operators can search for.
 *
 * The message says what happened, what was got and expected, and what to do. `retryable` says whether the same call may
 * succeed later.
 */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  /** gRPC's name of the kind of failure. */
  readonly code: ServiceErrorCode;
  /** Stable id: `INGEST_STREAM_KEY_REJECTED`. */
  readonly id: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ServiceErrorCode,
    id: string,
    message: string,
    options: {
      readonly retryable?: boolean;
      readonly cause?: unknown;
      readonly details?: Readonly<Record<string, unknown>>;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.id = id;
    this.retryable = options.retryable ?? code === 'UNAVAILABLE';
    this.details = options.details ?? {};
  }
}
