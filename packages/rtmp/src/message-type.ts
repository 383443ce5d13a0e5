/** Message type ids (Adobe RTMP 1.0, 5.4 and 7.1). */
export const MessageType = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowAckSize: 5,
  setPeerBandwidth: 6,
  audio: 8,
  video: 9,
  dataAmf3: 15,
  sharedObjectAmf3: 16,
  commandAmf3: 17,
  dataAmf0: 18,
  sharedObjectAmf0: 19,
  commandAmf0: 20,
  aggregate: 22,
} as const;

/** One whole message, as it came out of its chunks. */
export interface RtmpMessage {
  /** One of `MessageType`, or a number nobody defined. */
  readonly typeId: number;
  /** Chunk stream it came on or is to go on, 2..65599. */
  readonly csid: number;
  readonly streamId: number;
  /** 32 bits, wraps after 49.7 days; some encoders wrap at 31 bits. */
  readonly timestampMs: number;
  readonly payload: Uint8Array;
}
