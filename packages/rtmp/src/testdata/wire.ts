import { marshalAmf0 } from '../amf/amf0.ts';
import { type AmfValue, amfObject } from '../amf/amf-value.ts';
import { ChunkReader } from '../chunk/chunk-reader.ts';
import { type Command, parseCommand } from '../control/command.ts';
import { HANDSHAKE_BYTES } from '../handshake/digest.ts';
import { MessageType, type RtmpMessage } from '../message-type.ts';
import type { RtmpServerEvent } from '../server/server-event.ts';
import { RtmpServerSession, type RtmpServerOptions } from '../server/server-session.ts';

/** Bytes from hex digits; spaces are for the reader. */
export const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

export const concat = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** One chunk, with every header field as the case wants it, right or wrong. */
export interface RawChunk {
  readonly fmt?: 0 | 1 | 2 | 3;
  readonly csid?: number;
  /** Bytes of the basic header; the shortest by default. */
  readonly form?: 1 | 2 | 3;
  /** 24-bit field. */
  readonly time?: number;
  readonly extended?: number;
  /** Message length; that of the payload by default. */
  readonly length?: number;
  readonly typeId?: number;
  readonly streamId?: number;
  readonly payload?: Uint8Array;
}

const basicHeader = (fmt: number, csid: number, form: number): number[] => {
  if (form === 1) return [(fmt << 6) | csid];
  if (form === 2) return [fmt << 6, csid - 64];
  return [(fmt << 6) | 1, (csid - 64) & 0xff, (csid - 64) >> 8];
};

export const rawChunk = (chunk: RawChunk): Uint8Array => {
  const { fmt = 0, csid = 4, payload = new Uint8Array(0), time = 0, typeId = MessageType.video, streamId = 1 } = chunk;
  const form = chunk.form ?? (csid < 64 ? 1 : csid < 320 ? 2 : 3);
  const length = chunk.length ?? payload.length;
  const header = basicHeader(fmt, csid, form);
  if (fmt < 3) header.push(time >> 16, (time >> 8) & 0xff, time & 0xff);
  if (fmt < 2) header.push(length >> 16, (length >> 8) & 0xff, length & 0xff, typeId);
  if (fmt === 0) header.push(streamId & 0xff, (streamId >> 8) & 0xff, (streamId >> 16) & 0xff, streamId >>> 24);
  const extended = Buffer.alloc(chunk.extended === undefined ? 0 : 4);
  if (chunk.extended !== undefined) extended.writeUInt32BE(chunk.extended);
  return concat(Uint8Array.from(header), extended, payload);
};

/** All messages of the bytes, payloads as hex; an error ends the list as its kind. */
export const readChunks = (bytes: Uint8Array, reader = new ChunkReader()): readonly (readonly (number | string)[])[] => {
  const messages: (number | string)[][] = [];
  try {
    reader.push(bytes, (m) => {
      messages.push([m.typeId, m.csid, m.streamId, m.timestampMs, Buffer.from(m.payload).toString('hex')]);
      return true;
    });
  } catch (error) {
    messages.push([(error as { kind: string }).kind]);
  }
  return messages;
};

/** A message in chunks of `chunkSize` whose header is fmt 0, as FFmpeg and others send commands. */
export const rawMessage = (
  message: Partial<RtmpMessage> & { readonly payload: Uint8Array },
  chunkSize = 128,
): Uint8Array => {
  const { payload, csid = 3, typeId = MessageType.commandAmf0, streamId = 0, timestampMs = 0 } = message;
  const extended = timestampMs >= 0xffffff ? { extended: timestampMs } : {};
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += chunkSize) {
    const piece = payload.subarray(at, at + chunkSize);
    parts.push(
      rawChunk({
        fmt: at === 0 ? 0 : 3,
        csid,
        time: Math.min(timestampMs, 0xffffff),
        length: payload.length,
        typeId,
        streamId,
        payload: piece,
        ...extended,
      }),
    );
  }
  return concat(...parts);
};

export const command = (
  name: string,
  transactionId: AmfValue,
  values: readonly AmfValue[],
  on: Partial<RtmpMessage> = {},
): Uint8Array => rawMessage({ ...on, payload: marshalAmf0([name, transactionId, ...values]) });

export const connect = (properties: Readonly<Record<string, AmfValue>>, on: Partial<RtmpMessage> = {}): Uint8Array =>
  command('connect', 1, [amfObject(properties)], on);

export const data = (...values: AmfValue[]): Uint8Array =>
  rawMessage({ typeId: MessageType.dataAmf0, csid: 4, streamId: 1, payload: marshalAmf0(values) });

export const media = (type: 'audio' | 'video', timestampMs: number, payload: Uint8Array, csid?: number): Uint8Array =>
  rawMessage({
    typeId: MessageType[type],
    csid: csid ?? (type === 'audio' ? 4 : 6),
    streamId: 1,
    timestampMs,
    payload,
  });

/** C0 C1 C2 of a client that sends zeros where GStreamer and librtmp do, and does not look at what the server sent. */
export const PLAIN_HANDSHAKE = concat(Uint8Array.of(3), new Uint8Array(2 * HANDSHAKE_BYTES).fill(7, 8));
PLAIN_HANDSHAKE.fill(0, 5, 9);

/** A session, and what a test wants to know of it. */
export class SessionProbe {
  readonly session: RtmpServerSession;
  readonly events: RtmpServerEvent[] = [];
  readonly replies: RtmpMessage[] = [];
  readonly #reader = new ChunkReader();
  #handshakeLeft = 1 + 2 * HANDSHAKE_BYTES;
  #accepts: boolean;

  constructor(options: RtmpServerOptions & { readonly accepts?: boolean } = {}) {
    this.session = new RtmpServerSession(0, { randomFill: (bytes) => void bytes.fill(1), ...options });
    this.#accepts = options.accepts ?? true;
  }

  push(bytes: Uint8Array, nowMs = 0): this {
    this.#take(this.session.push(bytes, nowMs));
    return this;
  }

  accept(nowMs = 0): this {
    this.#take(this.session.acceptPublish(nowMs));
    return this;
  }

  #take(events: readonly RtmpServerEvent[]): void {
    for (const event of events) {
      this.events.push(event);
      if (event.kind === 'publish-request' && this.#accepts) this.accept();
    }
    this.drain();
  }

  /** Reads the output as a client would. */
  drain(): void {
    let output = this.session.takeOutput() ?? new Uint8Array(0);
    const handshake = Math.min(this.#handshakeLeft, output.length);
    this.#handshakeLeft -= handshake;
    output = output.subarray(handshake);
    this.#reader.push(output, (message) => {
      this.replies.push(message);
      return true;
    });
  }

  /** Chunk size the session sends with. */
  get chunkSize(): number {
    return this.#reader.chunkSize;
  }

  /** Commands the session answered with. */
  get commands(): readonly Command[] {
    return this.replies.filter((m) => m.typeId === MessageType.commandAmf0).map(parseCommand);
  }

  kinds(): readonly string[] {
    return this.events.map((event) => {
      if (event.kind === 'message') return `${event.type}@${event.timestampMs}`;
      return event.kind === 'error' ? event.error.kind : event.kind;
    });
  }
}

/** Connect, createStream and publish as FFmpeg sends them, behind the handshake. */
export const FFMPEG_PUBLISH = concat(
  PLAIN_HANDSHAKE,
  connect({
    app: 'live',
    type: 'nonprivate',
    flashVer: 'FMLE/3.0 (compatible; Lavf59.27.100)',
    tcUrl: 'rtmp://127.0.0.1:1935/live',
  }),
  command('releaseStream', 2, [null, 'key?token=x']),
  command('FCPublish', 3, [null, 'key?token=x']),
  command('createStream', 4, [null]),
  command('publish', 5, [null, 'key?token=x', 'live'], { csid: 8, streamId: 1 }),
);

