import type { sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { Clock, RenditionSink, SinkStream } from '@millrace/runtime';
import type { SessionDirectory } from '../domain/session-directory.ts';
import type { SessionWindow } from '../domain/session-window.ts';
import { waitInRoom } from '../domain/wait-in-room.ts';

/** A worker gives a packager up that takes nothing for 3 s. */
const CATCH_UP_DEADLINE_MS = 2500;

interface StreamOptions {
  readonly clock: Clock;
  /** A worker is gone that said no goodbye: its stream was aborted, not closed. */
  readonly onLost: (window: SessionWindow, token: number) => void;
}

/** The sink for workers of the same process: parts are kept by reference, so their bytes must not change afterwards. */
export class InProcessRenditionSink implements RenditionSink {
  readonly #directory: SessionDirectory;
  readonly #options: StreamOptions;

  constructor(directory: SessionDirectory, options: StreamOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  async open(hello: sink.Hello, signal: AbortSignal): Promise<SinkStream> {
    signal.throwIfAborted();
    const window = await this.#directory.heldForWorker(hello.sessionId, signal);
    const reply = window.open(hello);
    return new InProcessSinkStream(window, hello.leaseToken, reply, { ...this.#options, signal });
  }
}

class InProcessSinkStream implements SinkStream {
  readonly reply: sink.HelloReply;
  readonly #window: SessionWindow;
  readonly #token: number;
  readonly #options: StreamOptions;
  readonly #signal: AbortSignal;
  #isOpen = true;

  constructor(
    window: SessionWindow,
    token: number,
    reply: sink.HelloReply,
    options: StreamOptions & { readonly signal: AbortSignal },
  ) {
    this.#window = window;
    this.#token = token;
    this.reply = reply;
    this.#options = options;
    this.#signal = options.signal;
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  async publishInit(init: sink.InitSegment): Promise<void> {
    this.#assertOpen();
    this.#window.publishInit(init);
  }

  async publishPart(part: sink.Part): Promise<void> {
    this.#assertOpen();
    if (this.#window.lacksBefore(part)) await this.#catchUp(part);
    this.#assertOpen();
    this.#window.publishPart(part, this.#token, this.#options.clock());
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#window.closeStream();
  }

  /** Lets the twin bring what is missing; what comes after this part waits behind it, at the worker. */
  async #catchUp(part: sink.Part): Promise<void> {
    const window = this.#window;
    window.noteMissing(part.renditionId);
    const isOver = (): boolean => !window.canCatchUp || window.isFinished || !window.lacksBefore(part);
    await waitInRoom(window.changes, isOver, { signal: this.#signal, deadlineMs: CATCH_UP_DEADLINE_MS });
  }

  #assertOpen(): void {
    this.#signal.throwIfAborted();
    if (this.#isOpen) return;
    throw new ServiceError(
      'FAILED_PRECONDITION',
      'PACKAGER_STREAM_CLOSED',
      'This stream was closed by its owner; open another one.',
    );
  }

  readonly #onAbort = (): void => {
    this.close();
    this.#options.onLost(this.#window, this.#token);
  };
}
