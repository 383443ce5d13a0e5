import { amfObject, amfProperties, type AmfValue } from '../amf/amf-value.ts';
import { ChunkReader } from '../chunk/chunk-reader.ts';
import { ChunkWriter } from '../chunk/chunk-writer.ts';
import { type Command, marshalCommand, parseCommand } from '../control/command.ts';
import {
  acknowledgement,
  parseUint32,
  parseUserControl,
  setChunkSize,
  userControl,
  UserControlType,
} from '../control/control-message.ts';
import { ClientHandshake } from '../handshake/client-handshake.ts';
import type { DigestScheme } from '../handshake/digest.ts';
import { MessageType, type RtmpMessage } from '../message-type.ts';
import { isRtmpError, type RtmpError } from '../rtmp-error.ts';

/** Where and how to publish. */
export interface RtmpClientOptions {
  readonly app: string;
  readonly streamKey: string;
  /** Default `rtmp://localhost/<app>`. */
  readonly tcUrl?: string;
  /** Payload bytes per chunk we send; 128 as GStreamer and librtmp do (default), or more. */
  readonly chunkSize?: number;
  /** Handshake with a digest of this scheme; without it by default. */
  readonly digest?: DigestScheme;
  /** More properties of connect. */
  readonly connect?: Readonly<Record<string, AmfValue>>;
}

/** What a client session tells its owner. `rejected` and `error` are the last. */
export type RtmpClientEvent =
  | { readonly kind: 'publishing' }
  | { readonly kind: 'rejected'; readonly code: string; readonly description: string }
  | { readonly kind: 'error'; readonly error: RtmpError };

const CREATE_STREAM_TRANSACTION = 4;
const COMMAND_CSID = 3;
const PUBLISH_CSID = 8;
const MEDIA_CSID = { audio: 4, video: 6, data: 4 } as const;
const MEDIA_TYPE = {
  audio: MessageType.audio,
  video: MessageType.video,
  data: MessageType.dataAmf0,
} as const;

/**
 * The publisher's side of one RTMP connection, without socket: for tests and load generators.
 *
 * Send what `takeOutput` returns after construction and after every call; `write` may be called from `publishing` on.
 */
export class RtmpClientSession {
  readonly #options: RtmpClientOptions;
  readonly #handshake: ClientHandshake;
  readonly #reader = new ChunkReader();
  readonly #writer = new ChunkWriter();
  #isShaken = false;
  #isDead = false;
  #output: Uint8Array[] = [];
  #events: RtmpClientEvent[] = [];
  #streamId = 0;
  #bytesReceived = 0;
  #ackedBytes = 0;
  #windowBytes = Number.POSITIVE_INFINITY;

  constructor(options: RtmpClientOptions) {
    this.#options = options;
    this.#handshake = new ClientHandshake(options.digest);
    this.#output.push(this.#handshake.start());
  }

  /** Bytes to send now, if any. */
  takeOutput(): Uint8Array | undefined {
    const [first] = this.#output;
    if (first === undefined) return undefined;
    const output = this.#output.length === 1 ? first : Buffer.concat(this.#output);
    this.#output = [];
    return output;
  }

  /** Takes what came from the server. */
  push(bytes: Uint8Array): readonly RtmpClientEvent[] {
    if (this.#isDead) return [];
    this.#events = [];
    this.#bytesReceived += bytes.length;
    try {
      this.#read(bytes);
    } catch (error) {
      if (!isRtmpError(error)) throw error;
      this.#isDead = true;
      this.#events.push({ kind: 'error', error });
    }
    return this.#events;
  }

  /** Sends one audio, video or data message: the body of an FLV tag. */
  write(type: 'audio' | 'video' | 'data', timestampMs: number, payload: Uint8Array): void {
    this.#send({
      typeId: MEDIA_TYPE[type],
      csid: MEDIA_CSID[type],
      streamId: this.#streamId,
      timestampMs,
      payload,
    });
  }

  /** Says goodbye as FFmpeg does. */
  unpublish(): void {
    this.#command(COMMAND_CSID, 0, 'FCUnpublish', 6, [null, this.#options.streamKey]);
    this.#command(COMMAND_CSID, 0, 'deleteStream', 7, [null, this.#streamId]);
  }

  #read(bytes: Uint8Array): void {
    let rest = bytes;
    if (!this.#isShaken) {
      const { read, output } = this.#handshake.push(rest);
      if (output === undefined) return;
      this.#isShaken = true;
      this.#output.push(output);
      this.#connect();
      rest = rest.subarray(read);
    }
    this.#reader.push(rest, (message) => {
      this.#take(message);
      return !this.#isDead;
    });
    if (this.#bytesReceived - this.#ackedBytes >= this.#windowBytes) {
      this.#ackedBytes = this.#bytesReceived;
      this.#send(acknowledgement(this.#bytesReceived));
    }
  }

  #connect(): void {
    const { app, tcUrl, connect, chunkSize } = this.#options;
    if (chunkSize !== undefined) {
      this.#send(setChunkSize(chunkSize));
      this.#writer.chunkSize = chunkSize;
    }
    const properties = amfObject({
      app,
      type: 'nonprivate',
      flashVer: 'FMLE/3.0 (compatible; Millrace)',
      tcUrl: tcUrl ?? `rtmp://localhost/${app}`,
      ...connect,
    });
    this.#command(COMMAND_CSID, 0, 'connect', 1, [properties]);
  }

  #take(message: RtmpMessage): void {
    switch (message.typeId) {
      case MessageType.windowAckSize:
        this.#windowBytes = Math.max(1, parseUint32(message.payload));
        break;
      case MessageType.userControl: {
        const { type, value } = parseUserControl(message.payload);
        if (type === UserControlType.pingRequest)
          this.#send(userControl(UserControlType.pingResponse, value));
        break;
      }
      case MessageType.commandAmf0:
      case MessageType.commandAmf3:
        this.#takeCommand(parseCommand(message));
        break;
      default:
    }
  }

  #takeCommand(command: Command): void {
    const { streamKey } = this.#options;
    if (command.name === '_result' && command.transactionId === 1) {
      this.#command(COMMAND_CSID, 0, 'releaseStream', 2, [null, streamKey]);
      this.#command(COMMAND_CSID, 0, 'FCPublish', 3, [null, streamKey]);
      this.#command(COMMAND_CSID, 0, 'createStream', CREATE_STREAM_TRANSACTION, [null]);
    } else if (command.name === '_result' && command.transactionId === CREATE_STREAM_TRANSACTION) {
      const id = command.values[1];
      this.#streamId = typeof id === 'number' ? id : 1;
      this.#command(PUBLISH_CSID, this.#streamId, 'publish', 5, [null, streamKey, 'live']);
    } else if (command.name === 'onStatus' || (command.name === '_error' && command.transactionId === 1)) {
      this.#takeStatus(command);
    }
  }

  #takeStatus(command: Command): void {
    const info = amfProperties(command.values[1]);
    const code = textOf(info.get('code'));
    if (info.get('level') === 'error') {
      this.#isDead = true;
      this.#events.push({ kind: 'rejected', code, description: textOf(info.get('description')) });
    } else if (code === 'NetStream.Publish.Start') {
      this.#events.push({ kind: 'publishing' });
    }
  }

  #command(
    csid: number,
    streamId: number,
    name: string,
    transactionId: number,
    values: readonly AmfValue[],
  ): void {
    const payload = marshalCommand(name, transactionId, values);
    this.#send({ typeId: MessageType.commandAmf0, csid, streamId, timestampMs: 0, payload });
  }

  #send(message: RtmpMessage): void {
    this.#output.push(this.#writer.marshal(message));
  }
}

const textOf = (value: AmfValue): string => (typeof value === 'string' ? value : '');
