import { amfObject, type AmfValue } from '../amf/amf-value.ts';
import type { Command } from '../control/command.ts';
import { UserControlType } from '../control/control-message.ts';
import type { RtmpMessage } from '../message-type.ts';
import { RtmpError } from '../rtmp-error.ts';
import { connectResult, type EnhancedCapabilities, parseConnect, type RtmpConnect } from './connect.ts';
import { type PublishTarget, resolvePublishTarget } from './publish-target.ts';
import type { ServerOutput } from './server-output.ts';
import type { RtmpPhase } from './server-session.ts';

/** What a command did to the session. */
export type CommandOutcome =
  | { readonly kind: 'none' }
  | { readonly kind: 'connected'; readonly connect: RtmpConnect }
  | { readonly kind: 'publish'; readonly target: PublishTarget }
  | { readonly kind: 'unpublish' }
  | { readonly kind: 'refused'; readonly code: string; readonly description: string };

const NONE: CommandOutcome = { kind: 'none' };
/** Message streams open at the same time; encoders use one. */
const MAX_STREAMS = 16;

/** Answers commands and remembers what they set up: the connection, message streams, the stream that publishes. */
export class CommandHandler {
  readonly #output: ServerOutput;
  readonly #enhanced: EnhancedCapabilities;
  readonly #refuseConnect: ((connect: RtmpConnect) => string | undefined) | undefined;
  readonly #streams = new Set<number>();
  #connect: RtmpConnect | undefined;
  #publishStreamId = 0;

  constructor(
    output: ServerOutput,
    enhanced: EnhancedCapabilities,
    refuseConnect: ((connect: RtmpConnect) => string | undefined) | undefined,
  ) {
    this.#output = output;
    this.#enhanced = enhanced;
    this.#refuseConnect = refuseConnect;
  }

  /** Handles one command. Throws `COMMAND_UNEXPECTED` where the protocol's order is broken beyond repair. */
  handle(command: Command, message: RtmpMessage, phase: RtmpPhase): CommandOutcome {
    if (command.name === 'connect') return this.#handleConnect(command, phase);
    const connect = this.#connect;
    if (connect === undefined) {
      throw new RtmpError('COMMAND_UNEXPECTED', 0, `${command.name.slice(0, 32)} before connect`);
    }
    const isPublishing = phase === 'publishing';
    switch (command.name) {
      case 'createStream':
        return this.#createStream(command);
      case 'publish':
        return this.#publish(command, message.streamId, connect, isPublishing);
      case 'play':
      case 'play2':
        return this.#refusePlay(message.streamId);
      case 'deleteStream':
        return this.#deleteStream(command, isPublishing);
      case 'closeStream':
        return this.#unpublish(isPublishing);
      case 'FCUnpublish':
        this.#answer(command);
        return this.#unpublish(isPublishing);
      case '_result':
      case '_error':
      case 'onStatus':
        return NONE;
      default:
        // releaseStream, FCPublish, _checkbw (Haivision, OBS), getStreamLength and whatever else expects some answer.
        this.#answer(command);
        return NONE;
    }
  }

  /** Tells the encoder that it may publish. */
  startPublish(): void {
    this.#output.userControl(UserControlType.streamBegin, this.#publishStreamId);
    this.#output.status(this.#publishStreamId, 'status', 'NetStream.Publish.Start', 'Publishing.');
  }

  /** Tells the encoder why it may not publish, or not any longer. */
  refusePublish(code: string, description: string): void {
    this.#output.status(this.#publishStreamId, 'error', code, description);
  }

  /** Nothing is expected as the answer to transaction 0 (GStreamer uses it for all but connect and createStream). */
  #answer(command: Command, value?: AmfValue): void {
    if (command.transactionId !== 0) this.#output.answer('_result', command.transactionId, [null, value]);
  }

  #handleConnect(command: Command, phase: RtmpPhase): CommandOutcome {
    if (phase !== 'connecting') throw new RtmpError('COMMAND_UNEXPECTED', 0, 'a second connect');
    const connect = parseConnect(command);
    const reason = this.#refuseConnect?.(connect);
    if (reason !== undefined) {
      const code = 'NetConnection.Connect.Rejected';
      const info = amfObject({ level: 'error', code, description: reason });
      this.#output.answer('_error', command.transactionId, [null, info]);
      return { kind: 'refused', code, description: reason };
    }
    this.#connect = connect;
    this.#output.settings();
    this.#output.answer('_result', command.transactionId, connectResult(connect, this.#enhanced));
    return { kind: 'connected', connect };
  }

  #createStream(command: Command): CommandOutcome {
    // The lowest free number, so that it is 1 for the encoders that assume it.
    let id = 1;
    while (this.#streams.has(id)) id += 1;
    if (id > MAX_STREAMS)
      throw new RtmpError('COMMAND_UNEXPECTED', 0, `more than ${MAX_STREAMS} message streams`);
    this.#streams.add(id);
    this.#output.answer('_result', command.transactionId, [null, id]);
    return NONE;
  }

  #publish(command: Command, streamId: number, connect: RtmpConnect, isPublishing: boolean): CommandOutcome {
    const name = command.values[1];
    // Wirecast stops by publish(false) (NMS#67).
    if (name === false) return this.#unpublish(isPublishing);
    const wasStreamId = this.#publishStreamId;
    this.#publishStreamId = streamId;
    if (isPublishing) {
      this.#publishStreamId = wasStreamId;
      return this.#refuse('This connection is already publishing.');
    }
    // Some encoders send null where the key is in the URL.
    const isNameless = name === null || name === undefined;
    if (!isNameless && typeof name !== 'string') return this.#refuse('The stream name is not a text.');
    const target = resolvePublishTarget(connect.app, connect.tcUrl, isNameless ? '' : name);
    if (target === undefined)
      return this.#refuse('The URL or stream key has characters that are not allowed.');
    return { kind: 'publish', target };
  }

  #refuse(description: string): CommandOutcome {
    const code = 'NetStream.Publish.BadName';
    this.refusePublish(code, description);
    return { kind: 'refused', code, description };
  }

  #refusePlay(streamId: number): CommandOutcome {
    const code = 'NetStream.Play.Failed';
    const description = 'Playing over RTMP is not offered; use the HLS or DASH URL.';
    this.#output.status(streamId, 'error', code, description);
    return { kind: 'refused', code, description };
  }

  #deleteStream(command: Command, isPublishing: boolean): CommandOutcome {
    const id = command.values[1];
    // GStreamer sends the stream's name instead of its number.
    if (typeof id !== 'number') {
      this.#streams.delete(this.#publishStreamId);
      return this.#unpublish(isPublishing);
    }
    this.#streams.delete(id);
    return id === this.#publishStreamId ? this.#unpublish(isPublishing) : NONE;
  }

  #unpublish(isPublishing: boolean): CommandOutcome {
    if (!isPublishing) return NONE;
    this.#output.status(
      this.#publishStreamId,
      'status',
      'NetStream.Unpublish.Success',
      'Publishing stopped.',
    );
    return { kind: 'unpublish' };
  }
}
