import type { GrpcChannel } from './grpc-channel.ts';

/** A channel that is opened with the first call. */
export class LazyChannel {
  readonly #open: () => Promise<GrpcChannel>;
  #opening: Promise<GrpcChannel> | undefined;

  constructor(open: () => Promise<GrpcChannel>) {
    this.#open = open;
  }

  /** The channel; opened now when it is not open, or could not be opened before. */
  get(): Promise<GrpcChannel> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      // A certificate may be there the next time.
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /** Ends what is under way, if there is anything. */
  async close(): Promise<void> {
    const channel = await this.#opening?.catch(() => undefined);
    channel?.close();
  }
}
