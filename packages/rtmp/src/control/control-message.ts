import { MessageType, type RtmpMessage } from '../message-type.ts';
import { RtmpError } from '../rtmp-error.ts';

/** Chunk stream and message stream of protocol control (R1 5.4); clients may use others. */
const CONTROL_CSID = 2;

/** Event types of user control messages (R1 7.1.7). */
export const UserControlType = {
  streamBegin: 0,
  streamEof: 1,
  setBufferLength: 3,
  pingRequest: 6,
  pingResponse: 7,
} as const;

/** A user control message: its type and the first 32-bit value, if there is one. */
export interface UserControl {
  readonly type: number;
  readonly value: number;
}

const message = (typeId: number, payload: Uint8Array): RtmpMessage => ({
  typeId,
  csid: CONTROL_CSID,
  streamId: 0,
  timestampMs: 0,
  payload,
});

const uint32Message = (typeId: number, value: number): RtmpMessage => {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(value);
  return message(typeId, payload);
};

/** Message type 1. */
export const setChunkSize = (bytes: number): RtmpMessage => uint32Message(MessageType.setChunkSize, bytes);

/** Message type 3; the sequence number is the bytes received modulo 2^32. */
export const acknowledgement = (bytesReceived: number): RtmpMessage =>
  uint32Message(MessageType.acknowledgement, bytesReceived % 0x1_0000_0000);

/** Message type 5. */
export const windowAckSize = (bytes: number): RtmpMessage => uint32Message(MessageType.windowAckSize, bytes);

/** Message type 6, limit type 2 (dynamic). */
export const setPeerBandwidth = (bytes: number): RtmpMessage => {
  const payload = Buffer.allocUnsafe(5);
  payload.writeUInt32BE(bytes);
  payload[4] = 2;
  return message(MessageType.setPeerBandwidth, payload);
};

/** Message type 4. */
export const userControl = (type: number, value: number): RtmpMessage => {
  const payload = Buffer.allocUnsafe(6);
  payload.writeUInt16BE(type);
  payload.writeUInt32BE(value >>> 0, 2);
  return message(MessageType.userControl, payload);
};

/** The 32-bit value of a message of type 3, 5 or 6. Throws `CONTROL_MALFORMED`. */
export const parseUint32 = (payload: Uint8Array): number => {
  if (payload.length < 4) throw new RtmpError('CONTROL_MALFORMED', 0, `${payload.length} bytes, expected 4`);
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
};

/** The event of a user control message. Throws `CONTROL_MALFORMED`. */
export const parseUserControl = (payload: Uint8Array): UserControl => {
  if (payload.length < 2) throw new RtmpError('CONTROL_MALFORMED', 0, 'user control without a type');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  return { type: view.getUint16(0), value: payload.length < 6 ? 0 : view.getUint32(2) };
};
