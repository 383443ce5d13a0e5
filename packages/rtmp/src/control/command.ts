import { marshalAmf0, parseAmf0 } from '../amf/amf0.ts';
import type { AmfValue } from '../amf/amf-value.ts';
import { MessageType, type RtmpMessage } from '../message-type.ts';
import { RtmpError } from '../rtmp-error.ts';

/** A command message: name, transaction, command object and arguments, all of whatever type the peer chose. */
export interface Command {
  readonly name: string;
  /** 0 when the peer wants no answer, or sent something else than a number. */
  readonly transactionId: number;
  /** Command object first; null in most commands. */
  readonly values: readonly AmfValue[];
}

/**
 * Where the AMF0 of a message of type 15 or 17 starts: behind the selector 0x00 (R1 7.1.1).
 *
 * Some clients leave the selector out; then the name's string marker comes first.
 */
export const amf0Start = (message: RtmpMessage): number =>
  (message.typeId === MessageType.commandAmf3 || message.typeId === MessageType.dataAmf3) &&
  message.payload[0] === 0
    ? 1
    : 0;

/** Parses a message of type 17 or 20. Throws `RtmpError` (`AMF_...`, `COMMAND_MALFORMED`). */
export const parseCommand = (message: RtmpMessage): Command => {
  const [name, transactionId, ...values] = parseAmf0(message.payload, amf0Start(message));
  if (typeof name !== 'string') {
    throw new RtmpError('COMMAND_MALFORMED', 0, `a command starts with its name, got ${typeof name}`);
  }
  return { name, transactionId: typeof transactionId === 'number' ? transactionId : 0, values };
};

/** The payload of a command as AMF0. */
export const marshalCommand = (
  name: string,
  transactionId: number,
  values: readonly AmfValue[],
): Uint8Array => marshalAmf0([name, transactionId, ...values]);
