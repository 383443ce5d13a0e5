import { ServiceError } from '../../service-error.ts';

/** What turns a message into bytes and back. */
interface MessageType<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** A method of a service: its path, and what goes to the server and comes back. */
export interface Method<Q, A> {
  /** As it is called on the wire: `/millrace.relay.v1.MediaRelay/Subscribe`. */
  readonly path: string;
  readonly request: MessageType<Q>;
  readonly response: MessageType<A>;
}

/** What came over the wire: a message, or why it is none. It is thrown by whoever reads it, so that only its call ends. */
export type Received<T> = T | ServiceError;

/** Says what is wrong with a message that can be read; returns when nothing is. */
export type Check<T> = (message: T) => void;

/** Makes the bytes of a message without copying them once more. Throws `GRPC_MESSAGE_INVALID` for what has no bytes. */
export function marshal<T>(type: MessageType<T>, message: T): Buffer {
  try {
    const bytes = type.encode(message).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    throw invalidMessage(`a value cannot be sent (${String(error)})`);
  }
}

/** Reads a message that came over the wire; integers that a `number` cannot hold are refused. */
export function unmarshal<T>(type: MessageType<T>, bytes: Buffer, check?: Check<T>): Received<T> {
  try {
    const message = type.decode(bytes);
    check?.(message);
    return message;
  } catch (error) {
    if (error instanceof ServiceError) return error;
    return invalidMessage(`its ${bytes.byteLength} bytes cannot be read (${String(error)})`);
  }
}

/** A message that is not as the contract has it; says what is wrong with it. */
export function invalidMessage(what: string): ServiceError {
  return new ServiceError('INVALID_ARGUMENT', 'GRPC_MESSAGE_INVALID', `A message is not as agreed: ${what}`);
}

/** The name of a method in logs and metrics: `MediaRelay/Subscribe`. */
export function methodName(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}
