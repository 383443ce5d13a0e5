import { amfObject, type AmfValue } from '../amf/amf-value.ts';
import { ChunkWriter } from '../chunk/chunk-writer.ts';
import { marshalCommand } from '../control/command.ts';
import {
  acknowledgement,
  setChunkSize,
  setPeerBandwidth,
  userControl,
  windowAckSize,
} from '../control/control-message.ts';
import { MessageType } from '../message-type.ts';

/** FFmpeg echoes our chunk size and then sends with it, so a large one saves both of us headers. */
const CHUNK_SIZE = 65_536;
const WINDOW_BYTES = 2_500_000;
const COMMAND_CSID = 3;
const STATUS_CSID = 5;

/** The bytes that wait to be sent to an encoder; one input adds at most some hundred kilobytes (see FloodGate). */
export class ServerOutput {
  readonly #writer = new ChunkWriter();
  #parts: Uint8Array[] = [];

  take(): Uint8Array | undefined {
    const [first] = this.#parts;
    if (first === undefined) return undefined;
    const output = this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
    this.#parts = [];
    return output;
  }

  raw(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  acknowledge(bytesReceived: number): void {
    this.raw(this.#writer.marshal(acknowledgement(bytesReceived)));
  }

  userControl(type: number, value: number): void {
    this.raw(this.#writer.marshal(userControl(type, value)));
  }

  /** Window, bandwidth and chunk size, as they go before the answer to connect. */
  settings(): void {
    this.raw(this.#writer.marshal(windowAckSize(WINDOW_BYTES)));
    this.raw(this.#writer.marshal(setPeerBandwidth(WINDOW_BYTES)));
    this.raw(this.#writer.marshal(setChunkSize(CHUNK_SIZE)));
    this.#writer.chunkSize = CHUNK_SIZE;
  }

  /** `_result` or `_error` to a transaction. */
  answer(name: '_result' | '_error', transactionId: number, values: readonly AmfValue[]): void {
    this.#command(COMMAND_CSID, 0, marshalCommand(name, transactionId, values));
  }

  /** `onStatus` on a message stream; encoders show the description to people. */
  status(streamId: number, level: 'status' | 'error', code: string, description: string): void {
    const info = amfObject({ level, code, description });
    this.#command(STATUS_CSID, streamId, marshalCommand('onStatus', 0, [null, info]));
  }

  #command(csid: number, streamId: number, payload: Uint8Array): void {
    this.raw(
      this.#writer.marshal({ typeId: MessageType.commandAmf0, csid, streamId, timestampMs: 0, payload }),
    );
  }
}
