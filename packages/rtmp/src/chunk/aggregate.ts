import { MessageType, type RtmpMessage } from '../message-type.ts';
import { RtmpError } from '../rtmp-error.ts';

const HEADER_BYTES = 11;
const BACK_POINTER_BYTES = 4;

/**
 * Splits an aggregate message (type 22, R1 7.1.6) into its audio, video and data messages.
 *
 * Timestamps are rebased by the difference between the aggregate's and the first one's, the stream id is that of the
 * aggregate. Payloads are slices. Throws `RtmpError` when an inner length or type does not fit.
 */
export const parseAggregate = (aggregate: RtmpMessage): RtmpMessage[] => {
  const { payload } = aggregate;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const messages: RtmpMessage[] = [];
  let rebaseMs: number | undefined;
  let at = 0;
  while (at < payload.length) {
    if (payload.length - at < HEADER_BYTES) throw malformed(at, 'header cut off');
    const typeId = view.getUint8(at);
    const length = view.getUint32(at) & 0xffffff;
    // 24 bits, then the upper 8, as in FLV tags.
    const timestampMs = ((view.getUint32(at + 4) >>> 8) | (view.getUint8(at + 7) << 24)) >>> 0;
    if (typeId !== MessageType.audio && typeId !== MessageType.video && typeId !== MessageType.dataAmf0) {
      throw malformed(at, `message of type ${typeId} inside`);
    }
    const start = at + HEADER_BYTES;
    if (length > payload.length - start)
      throw malformed(at, `length ${length} of ${payload.length - start} left`);
    rebaseMs ??= aggregate.timestampMs - timestampMs;
    messages.push({
      typeId,
      csid: aggregate.csid,
      streamId: aggregate.streamId,
      timestampMs: (timestampMs + rebaseMs) >>> 0,
      payload: payload.subarray(start, start + length),
    });
    at = start + length;
    if (at === payload.length) break;
    if (payload.length - at < BACK_POINTER_BYTES) throw malformed(at, 'back-pointer cut off');
    at += BACK_POINTER_BYTES;
  }
  return messages;
};

const malformed = (offset: number, detail: string): RtmpError =>
  new RtmpError('AGGREGATE_MALFORMED', offset, detail);
