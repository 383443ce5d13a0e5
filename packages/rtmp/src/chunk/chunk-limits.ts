import { MessageType } from '../message-type.ts';

/** What one direction of a connection may make us hold. */
export interface ChunkLimits {
  /** Chunk streams ever used. */
  readonly maxChunkStreams: number;
  /** Messages unfinished at the same time. */
  readonly maxPartialMessages: number;
  /** Memory of all unfinished messages. */
  readonly maxPartialBytes: number;
  /** Audio, video, data and aggregate messages. */
  readonly maxMediaBytes: number;
  /** Commands, shared objects and types nobody defined. */
  readonly maxCommandBytes: number;
}

/** 8 MiB per audio or video message, 64 KiB per command, 16 MiB of unfinished messages in at most 16 pieces. */
export const DEFAULT_CHUNK_LIMITS: ChunkLimits = {
  maxChunkStreams: 64,
  maxPartialMessages: 16,
  maxPartialBytes: 16 * 1024 * 1024,
  maxMediaBytes: 8 * 1024 * 1024,
  maxCommandBytes: 64 * 1024,
};

/** Protocol control and user control messages have at most 10 bytes of use. */
const CONTROL_CAP_BYTES = 1024;
const DATA_CAP_BYTES = 256 * 1024;

/** The longest message of a type that is taken. */
export const messageCapOf = (typeId: number, limits: ChunkLimits, mediaCapBytes: number): number => {
  switch (typeId) {
    case MessageType.audio:
    case MessageType.video:
    case MessageType.aggregate:
      return mediaCapBytes;
    case MessageType.dataAmf0:
    case MessageType.dataAmf3:
      return Math.min(DATA_CAP_BYTES, mediaCapBytes);
    default:
      return typeId <= MessageType.setPeerBandwidth ? CONTROL_CAP_BYTES : limits.maxCommandBytes;
  }
};
