import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { FlvReader } from '@millrace/media';
import type { FlvTag } from '@millrace/media';
import { RtmpClientSession } from '@millrace/rtmp';
import type { RtmpClientEvent } from '@millrace/rtmp';

const DEADLINE_MS = 10_000;

/** What was the end of an encoder's connection. */
export type EncoderEnd =
  | { readonly kind: 'closed' }
  | { readonly kind: 'rejected'; readonly code: string; readonly description: string };

/** An encoder on a real socket: connects, publishes FLV tags, and hears what it is told. */
export class Encoder {
  readonly #socket: Socket;
  readonly #session: RtmpClientSession;
  readonly #started = Promise.withResolvers<boolean>();
  readonly #ended = Promise.withResolvers<EncoderEnd>();

  constructor(
    port: number,
    options: { readonly app?: string; readonly streamKey: string; readonly name?: string },
  ) {
    this.#session = new RtmpClientSession({
      app: options.app ?? 'live',
      streamKey: options.streamKey,
      connect: { flashVer: options.name ?? 'encoder-1' },
    });
    this.#socket = connect(port, '127.0.0.1', () => this.#flush());
    this.#socket.on('data', (bytes) => {
      for (const event of this.#session.push(bytes)) this.#take(event);
      this.#flush();
    });
    this.#socket.on('error', () => this.#end({ kind: 'closed' }));
    this.#socket.on('close', () => this.#end({ kind: 'closed' }));
  }

  /** Resolves to true when the publication was accepted, to false when it was not. */
  get isPublishing(): Promise<boolean> {
    return withDeadline(this.#started.promise, 'publish');
  }

  /** Resolves when the connection is over. */
  get end(): Promise<EncoderEnd> {
    return withDeadline(this.#ended.promise, 'end');
  }

  /** Sends tags with their own timestamps, moved by `offsetMs`. */
  send(tags: readonly FlvTag[], offsetMs = 0): void {
    for (const tag of tags) {
      if (tag.type === 'audio' || tag.type === 'video') {
        this.#session.write(tag.type, tag.timestampMs + offsetMs, tag.body);
      }
    }
    this.#flush();
  }

  /** Sends bytes that are no RTMP. */
  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Breaks the connection without a goodbye. */
  kill(): void {
    this.#socket.destroy();
  }

  #take(event: RtmpClientEvent): void {
    if (event.kind === 'publishing') this.#started.resolve(true);
    else if (event.kind === 'rejected') {
      this.#end({ kind: 'rejected', code: event.code, description: event.description });
    } else throw event.error;
  }

  #end(end: EncoderEnd): void {
    this.#started.resolve(false);
    this.#ended.resolve(end);
  }

  #flush(): void {
    const output = this.#session.takeOutput();
    if (output !== undefined && !this.#socket.destroyed) this.#socket.write(output);
  }
}

/** The tags of an FLV file. */
export function readFlv(path: string | URL): FlvTag[] {
  return [...new FlvReader().push(readFileSync(path))];
}

async function withDeadline<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the encoder saw no ${what} in time`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
