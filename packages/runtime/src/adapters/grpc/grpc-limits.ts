import type { ChannelOptions } from '@grpc/grpc-js';

/** The largest message in each direction, in bytes, both as this side sees it. */
export interface MessageLimits {
  readonly maxSendBytes: number;
  readonly maxReceiveBytes: number;
}

const MEBIBYTE = 1024 * 1024;

/** A question and its answer. */
const QUESTION_BYTES = MEBIBYTE;
/** Rows and init segments of a window, and rows as they are completed. */
const ROWS_BYTES = 16 * MEBIBYTE;
/** A part: all samples of a rendition that lie between two grid points. */
const PART_BYTES = 64 * MEBIBYTE;
/** A batch of access units: 1 MiB, or one that is larger. */
const FRAGMENTS_BYTES = 32 * MEBIBYTE;

/** What a client may send to a service and get from it; a server has it the other way round (`served`). */
export const MESSAGE_LIMITS = {
  relay: { maxSendBytes: QUESTION_BYTES, maxReceiveBytes: FRAGMENTS_BYTES },
  packager: { maxSendBytes: PART_BYTES, maxReceiveBytes: ROWS_BYTES },
  /** Copies between packagers; a packager serves these limits to workers and readers as well. */
  twin: { maxSendBytes: PART_BYTES, maxReceiveBytes: PART_BYTES },
  control: { maxSendBytes: QUESTION_BYTES, maxReceiveBytes: QUESTION_BYTES },
} as const satisfies Readonly<Record<string, MessageLimits>>;

/** The limits of the server of such clients. */
export function served({ maxSendBytes, maxReceiveBytes }: MessageLimits): MessageLimits {
  return { maxSendBytes: maxReceiveBytes, maxReceiveBytes: maxSendBytes };
}

/** The limits in the words of the library. */
export function messageLimitOptions({ maxSendBytes, maxReceiveBytes }: MessageLimits): ChannelOptions {
  return {
    'grpc.max_send_message_length': maxSendBytes,
    'grpc.max_receive_message_length': maxReceiveBytes,
  };
}

/** A connection whose other end is gone without a word is given up after 15 s. */
export const KEEPALIVE_OPTIONS = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
} as const satisfies ChannelOptions;
