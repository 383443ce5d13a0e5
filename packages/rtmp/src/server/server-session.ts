import { ChunkReader } from '../chunk/chunk-reader.ts';
import { type ChunkLimits, DEFAULT_CHUNK_LIMITS } from '../chunk/chunk-limits.ts';
import { parseAggregate } from '../chunk/aggregate.ts';
import { amf0Start, parseCommand } from '../control/command.ts';
import { parseUint32, parseUserControl, UserControlType } from '../control/control-message.ts';
import { FloodGate } from '../control/flood-gate.ts';
import { type RandomFill, ServerHandshake } from '../handshake/server-handshake.ts';
import { MessageType, type RtmpMessage } from '../message-type.ts';
import { isRtmpError, RtmpError } from '../rtmp-error.ts';
import { CommandHandler, type CommandOutcome } from './command-handler.ts';
import type { EnhancedCapabilities, RtmpConnect } from './connect.ts';
import { parseDataMessage } from './metadata.ts';
import { ServerOutput } from './server-output.ts';
import type { RtmpServerEvent } from './server-event.ts';

/** Where a session is; the owner puts a deadline on each phase but `publishing`, which it watches by `lastMediaMs`. */
export type RtmpPhase = 'handshake' | 'connecting' | 'connected' | 'authorizing' | 'publishing' | 'closed';

/** How a session behaves; all have defaults. */
export interface RtmpServerOptions {
  readonly limits?: ChunkLimits;
  /** What may arrive while a publish request is being decided; default 256 KiB. Stop reading the socket meanwhile. */
  readonly maxPendingBytes?: number;
  /** The owner never touches an input again, so payloads may be slices of it; default false. */
  readonly inputIsTransferred?: boolean;
  /** Returns why a connection is refused, for people; by default none is. */
  readonly refuseConnect?: (connect: RtmpConnect) => string | undefined;
  readonly enhanced?: EnhancedCapabilities;
  readonly randomFill?: RandomFill;
}

/** Larger messages are not taken from a peer whose key was not accepted yet. */
const UNTRUSTED_CAP_BYTES = 64 * 1024;
const DEFAULT_PENDING_BYTES = 256 * 1024;
/** We acknowledge at least this often, whatever window the peer asks for (R1 5.4.4). */
const ACK_WINDOW_BYTES = 2_500_000;
const NO_EVENTS: readonly RtmpServerEvent[] = [];
const DEFAULT_ENHANCED: EnhancedCapabilities = { videoFourCcs: ['avc1'], audioFourCcs: ['mp4a'], capsEx: 0 };

/**
 * The server's side of one RTMP connection, without socket and timers: bytes and the time go in, events and bytes come out.
 *
 * After every call, send what `takeOutput` returns. Publishing is decided by the owner: after `publish-request` the session
 * stops reading, keeps at most `maxPendingBytes`, and goes on by `acceptPublish`, or ends by `refuse`. An `error` or `refused`
 * event is the last one; the session is then `closed` and ignores everything. No input makes it throw.
 */
export class RtmpServerSession {
  readonly #limits: ChunkLimits;
  readonly #maxPendingBytes: number;
  readonly #inputIsTransferred: boolean;
  readonly #handshake: ServerHandshake;
  readonly #output = new ServerOutput();
  readonly #commands: CommandHandler;
  readonly #flood: FloodGate;
  #reader: ChunkReader | undefined;
  #phase: RtmpPhase = 'handshake';
  #phaseSinceMs: number;
  #bytesReceived = 0;
  #ackedBytes = 0;
  #ackWindowBytes = ACK_WINDOW_BYTES;
  #lastMediaMs: number | undefined;
  #lastPongMs: number | undefined;
  #droppedMessages = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  /** State of the call under way. */
  #events: RtmpServerEvent[] = [];
  #nowMs: number;

  constructor(nowMs: number, options: RtmpServerOptions = {}) {
    this.#limits = options.limits ?? DEFAULT_CHUNK_LIMITS;
    this.#maxPendingBytes = options.maxPendingBytes ?? DEFAULT_PENDING_BYTES;
    this.#inputIsTransferred = options.inputIsTransferred ?? false;
    this.#handshake = new ServerHandshake(options.randomFill);
    this.#commands = new CommandHandler(
      this.#output,
      options.enhanced ?? DEFAULT_ENHANCED,
      options.refuseConnect,
    );
    this.#flood = new FloodGate(nowMs);
    this.#nowMs = nowMs;
    this.#phaseSinceMs = nowMs;
  }

  get phase(): RtmpPhase {
    return this.#phase;
  }

  /** When the phase began. */
  get phaseSinceMs(): number {
    return this.#phaseSinceMs;
  }

  /** When the last audio or video message of a publication came. */
  get lastMediaMs(): number | undefined {
    return this.#lastMediaMs;
  }

  /** When the peer last answered a ping; GStreamer's rtmpsink (librtmp) never does, so media is a sign of life as well. */
  get lastPongMs(): number | undefined {
    return this.#lastPongMs;
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Messages that came at a wrong time, or were no AMF where AMF was due; they are harmless. */
  get droppedMessages(): number {
    return this.#droppedMessages;
  }

  /** Memory that unfinished messages and pending input hold. */
  get heldBytes(): number {
    return this.#pendingBytes + (this.#reader?.partialBytes ?? 0);
  }

  /** Bytes to send now, if any. */
  takeOutput(): Uint8Array | undefined {
    return this.#output.take();
  }

  /** Takes what came from the peer; the events of it, in order. */
  push(bytes: Uint8Array, nowMs: number): readonly RtmpServerEvent[] {
    if (this.#phase === 'closed') return NO_EVENTS;
    this.#bytesReceived += bytes.length;
    return this.#run(nowMs, () => {
      if (this.#phase === 'authorizing') this.#keep(bytes);
      else this.#read(bytes);
      this.#acknowledge();
    });
  }

  /** Lets the publication begin; the events of what came meanwhile. */
  acceptPublish(nowMs: number): readonly RtmpServerEvent[] {
    if (this.#phase !== 'authorizing') return NO_EVENTS;
    return this.#run(nowMs, () => {
      this.#enter('publishing');
      this.#lastMediaMs = undefined;
      if (this.#reader !== undefined) this.#reader.mediaCapBytes = this.#limits.maxMediaBytes;
      this.#commands.startPublish();
      const pending = Buffer.concat(this.#pending);
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#read(pending);
    });
  }

  /**
   * Ends the session with a status that encoders show to people, while it is deciding or publishing: a wrong key, a
   * takeover, a revoked key. Send the output, then close the connection.
   */
  refuse(description: string, code = 'NetStream.Publish.BadName'): void {
    if (this.#phase === 'authorizing' || this.#phase === 'publishing')
      this.#commands.refusePublish(code, description);
    if (this.#phase !== 'closed') this.#close();
  }

  /** Asks the peer for a sign of life; nothing happens before it connected. */
  ping(nowMs: number): void {
    if (this.#phase === 'handshake' || this.#phase === 'connecting' || this.#phase === 'closed') return;
    this.#output.userControl(UserControlType.pingRequest, nowMs);
  }

  #run(nowMs: number, step: () => void): readonly RtmpServerEvent[] {
    this.#nowMs = nowMs;
    this.#events = [];
    try {
      step();
    } catch (error) {
      if (!isRtmpError(error)) throw error;
      this.#events.push({ kind: 'error', error });
      this.#close();
    }
    const events = this.#events;
    this.#events = [];
    return events.length === 0 ? NO_EVENTS : events;
  }

  #enter(phase: RtmpPhase): void {
    this.#phase = phase;
    this.#phaseSinceMs = this.#nowMs;
  }

  #close(): void {
    this.#enter('closed');
    this.#reader = undefined;
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #read(bytes: Uint8Array): void {
    let rest = bytes;
    if (this.#phase === 'handshake') {
      const { read, output } = this.#handshake.push(rest);
      if (output !== undefined) this.#output.raw(output);
      if (!this.#handshake.isDone) return;
      rest = rest.subarray(read);
      this.#reader = new ChunkReader({
        limits: this.#limits,
        inputIsTransferred: this.#inputIsTransferred,
        offset: this.#bytesReceived - rest.length,
      });
      this.#reader.mediaCapBytes = UNTRUSTED_CAP_BYTES;
      this.#enter('connecting');
    }
    if (this.#reader === undefined || rest.length === 0) return;
    const read = this.#reader.push(rest, this.#take);
    if (this.#phase === 'authorizing') this.#keep(rest.subarray(read));
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#pendingBytes + bytes.length > this.#maxPendingBytes) {
      throw new RtmpError(
        'PENDING_INPUT_EXCEEDED',
        this.#bytesReceived,
        `more than ${this.#maxPendingBytes} bytes before the publish request was answered`,
      );
    }
    // A copy: `slice` of a Buffer would be a view.
    this.#pending.push(new Uint8Array(bytes));
    this.#pendingBytes += bytes.length;
  }

  #acknowledge(): void {
    if (this.#phase === 'handshake' || this.#bytesReceived - this.#ackedBytes < this.#ackWindowBytes) return;
    this.#ackedBytes = this.#bytesReceived;
    this.#output.acknowledge(this.#bytesReceived);
  }

  /** Takes one message; false stops the reader. */
  readonly #take = (message: RtmpMessage): boolean => {
    switch (message.typeId) {
      case MessageType.audio:
      case MessageType.video:
        this.#takeMedia(message);
        break;
      case MessageType.aggregate:
        for (const inner of parseAggregate(message)) {
          if (inner.typeId === MessageType.dataAmf0) this.#takeData(inner);
          else this.#takeMedia(inner);
        }
        break;
      case MessageType.dataAmf0:
      case MessageType.dataAmf3:
        this.#takeData(message);
        break;
      case MessageType.commandAmf0:
      case MessageType.commandAmf3:
        this.#pass();
        this.#apply(this.#commands.handle(parseCommand(message), message, this.#phase));
        break;
      default:
        this.#pass();
        this.#takeControl(message);
    }
    return this.#phase !== 'authorizing' && this.#phase !== 'closed';
  };

  #pass(): void {
    this.#flood.pass(this.#nowMs, this.#bytesReceived);
  }

  #takeMedia(message: RtmpMessage): void {
    const { payload, timestampMs } = message;
    // Real media has at least two bytes; an empty audio message means silence and costs its sender next to nothing.
    if (payload.length < 2) this.#pass();
    if (this.#phase !== 'publishing') {
      this.#droppedMessages += 1;
      return;
    }
    this.#lastMediaMs = this.#nowMs;
    const type = message.typeId === MessageType.audio ? 'audio' : 'video';
    this.#events.push({ kind: 'message', type, timestampMs, payload });
  }

  #takeData(message: RtmpMessage): void {
    this.#pass();
    const start = amf0Start(message);
    const data = this.#phase === 'publishing' ? parseDataMessage(message.payload, start) : undefined;
    const { timestampMs } = message;
    if (data === undefined || data.kind === 'malformed') this.#droppedMessages += 1;
    else if (data.kind === 'metadata')
      this.#events.push({ kind: 'metadata', timestampMs, values: data.values });
    else
      this.#events.push({
        kind: 'message',
        type: 'data',
        timestampMs,
        payload: message.payload.subarray(start),
      });
  }

  #takeControl(message: RtmpMessage): void {
    switch (message.typeId) {
      case MessageType.windowAckSize: {
        const bytes = parseUint32(message.payload);
        // 0 and the high bit are absurd; a small window costs one acknowledgement per input at most.
        if (bytes > 0 && bytes <= 0x7fffffff) this.#ackWindowBytes = Math.min(bytes, ACK_WINDOW_BYTES);
        break;
      }
      case MessageType.userControl: {
        const { type, value } = parseUserControl(message.payload);
        if (type === UserControlType.pingRequest)
          this.#output.userControl(UserControlType.pingResponse, value);
        else if (type === UserControlType.pingResponse) this.#lastPongMs = this.#nowMs;
        break;
      }
      default:
      // Acknowledgements and peer bandwidth limit what we send, which is next to nothing until play comes.
    }
  }

  #apply(outcome: CommandOutcome): void {
    switch (outcome.kind) {
      case 'none':
        return;
      case 'connected':
        this.#enter('connected');
        this.#events.push({ kind: 'connect', connect: outcome.connect });
        return;
      case 'publish':
        this.#enter('authorizing');
        this.#events.push({ kind: 'publish-request', target: outcome.target });
        return;
      case 'unpublish':
        this.#enter('connected');
        if (this.#reader !== undefined) this.#reader.mediaCapBytes = UNTRUSTED_CAP_BYTES;
        this.#events.push({ kind: 'unpublish' });
        return;
      case 'refused':
        this.#events.push({ kind: 'refused', code: outcome.code, description: outcome.description });
        this.#close();
    }
  }
}
