import { EventEmitter, once } from 'node:events';
import type { sink } from '@millrace/contracts';
import type { RenditionSink, SinkStream } from '@millrace/runtime';
import { RowWindow } from './row-window.ts';

/** A packager for tests: keeps every row and every byte, and throws when a rule of the index is broken. */
export class FakeSink implements RenditionSink {
  readonly window = new RowWindow();
  readonly parts: sink.Part[] = [];
  readonly #published = new EventEmitter().setMaxListeners(0);
  opened = 0;
  /** Called with every hello and every part before it is taken; what it throws is the refusal. */
  onHello: (hello: sink.Hello) => void = () => {};
  onPart: (part: sink.Part) => void = () => {};

  async open(hello: sink.Hello): Promise<SinkStream> {
    this.opened += 1;
    this.onHello(hello);
    return {
      reply: this.window.reply(),
      publishInit: async (init) => {
        this.window.inits.push(init);
      },
      publishPart: async (part) => {
        this.onPart(part);
        this.window.take([part]);
        this.parts.push(part);
        this.#published.emit('part');
      },
      close: () => {},
    };
  }

  /** Resolves when the condition holds, which is judged after every part; rejects after `deadlineMs`. */
  async until(condition: () => boolean, deadlineMs = 20_000): Promise<void> {
    const signal = AbortSignal.timeout(deadlineMs);
    while (!condition()) await once(this.#published, 'part', { signal });
  }

  /** Everything of a rendition in one period as one file: its init segment and its parts. */
  fileOf(renditionId: string, period = 0): Buffer {
    const init = this.window.inits.find(
      (candidate) => candidate.renditionId === renditionId && candidate.period === period,
    );
    const parts = this.parts.filter((part) => part.renditionId === renditionId && part.period === period);
    return Buffer.concat([init?.data ?? Buffer.alloc(0), ...parts.map(({ data }) => data)]);
  }
}
