import { readFileSync } from 'node:fs';
import { ChunkWriter, MessageType } from '@millrace/rtmp';
import type { RtmpMessage } from '@millrace/rtmp';
import { FlvReader } from '@millrace/media';
import type { FlvTag } from '@millrace/media';

/** Payload bytes per chunk; what the client session of a publication has to announce. */
export const FEED_CHUNK_SIZE = 4096;
/** Media time that one write carries. */
export const SLICE_MS = 100;

const CSID = { audio: 4, video: 6 } as const;
const TYPE_ID = { audio: MessageType.audio, video: MessageType.video } as const;

/** A message that a publication sends once, before the loop. */
interface FeedHeader {
  readonly type: 'audio' | 'video' | 'data';
  readonly payload: Uint8Array;
}

/**
 * A publication as bytes that can be sent again and again.
 *
 * All chunks of the loop carry relative timestamps (fmt 1 and 2), so the same bytes mean the next turn of the loop. They follow
 * on the headers, sent at 0 ms on the chunk streams of `RtmpClientSession` with chunks of `FEED_CHUNK_SIZE`.
 */
export interface LoopedFeed {
  readonly headers: readonly FeedHeader[];
  /** The loop cut by time: `slices[i]` is due at (i + 1) × `SLICE_MS`. */
  readonly slices: readonly Uint8Array[];
  readonly loopMs: number;
  readonly loopBytes: number;
}

/** Reads an FLV file whose media is `loopMs` long, a multiple of `SLICE_MS`. */
export function readLoopedFeed(path: string, loopMs: number): LoopedFeed {
  return loopFeed(new FlvReader().push(readFileSync(path)), loopMs);
}

/** Makes a loop of tags; those at or after `loopMs` are left out. Throws when the tags do not make one. */
export function loopFeed(tags: readonly FlvTag[], loopMs: number): LoopedFeed {
  if (loopMs % SLICE_MS !== 0) throw new Error(`a loop of ${loopMs} ms is not whole slices`);
  const media = tags.filter((tag) => isFrame(tag) && tag.timestampMs < loopMs);
  const messages = media.map(messageOf).toSorted((a, b) => a.timestampMs - b.timestampMs);
  const writer = new ChunkWriter();
  writer.chunkSize = FEED_CHUNK_SIZE;
  // The first turn brings the writer into the state in which every later one starts.
  for (const message of messages) writer.marshal(message);
  const slices: Uint8Array[][] = Array.from({ length: loopMs / SLICE_MS }, () => []);
  const begun = new Set<number>();
  for (const message of messages) {
    const bytes = writer.marshal({ ...message, timestampMs: message.timestampMs + loopMs });
    const fmt = (bytes[0] ?? 0) >> 6;
    // The turn behind the headers starts from other lengths than the later ones: only fmt 1 states its own.
    if (fmt === 0 || (!begun.has(message.csid) && fmt !== 1))
      throw new Error(`chunk stream ${message.csid} does not loop: fmt ${fmt}`);
    begun.add(message.csid);
    slices[Math.floor(message.timestampMs / SLICE_MS)]?.push(bytes);
  }
  const joined = slices.map((parts) => Buffer.concat(parts));
  return {
    headers: headersOf(tags),
    slices: joined,
    loopMs,
    loopBytes: joined.reduce((sum, slice) => sum + slice.length, 0),
  };
}

function messageOf(tag: FlvTag): RtmpMessage {
  const kind = tag.type === 'audio' ? 'audio' : 'video';
  return {
    typeId: TYPE_ID[kind],
    csid: CSID[kind],
    streamId: 1,
    timestampMs: tag.timestampMs,
    payload: tag.body,
  };
}

/** Metadata first: it shares a chunk stream with the audio, whose header must be the last on it. */
function headersOf(tags: readonly FlvTag[]): FeedHeader[] {
  const rank = { data: 0, video: 1, audio: 2 } as const;
  return tags
    .filter((tag) => tag.type === 'script' || isSequenceHeader(tag))
    .map((tag): FeedHeader => ({ type: tag.type === 'script' ? 'data' : tag.type, payload: tag.body }))
    .toSorted((a, b) => rank[a.type] - rank[b.type]);
}

/** An AAC frame has packet type 1 in its second byte, AVC pictures too; 2 ends an AVC sequence. */
function isFrame({ type, body }: FlvTag): boolean {
  return type !== 'script' && body[1] === 1;
}

/** AVC and AAC configuration have packet type 0. */
function isSequenceHeader({ type, body }: FlvTag): boolean {
  return type !== 'script' && body[1] === 0;
}
