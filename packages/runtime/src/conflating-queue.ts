/**
 * A queue that keeps only the newest value of each key: its size is bounded by the number of keys, not by the reader's pace.
 *
 * One reader; values come in the order in which their keys were first put since they were last taken.
 */
export class ConflatingQueue<K, V> {
  readonly #values = new Map<K, V>();
  #wake: (() => void) | undefined;

  /** Puts a value, replacing one of the same key that was not taken yet. */
  put(key: K, value: V): void {
    this.#values.set(key, value);
    this.#wake?.();
  }

  /** Yields values until the signal is aborted. */
  async *take(signal: AbortSignal): AsyncIterable<V> {
    const onAbort = (): void => this.#wake?.();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted) {
        const next = this.#values.entries().next();
        if (next.done === true) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          this.#wake = undefined;
          continue;
        }
        const [key, value] = next.value;
        this.#values.delete(key);
        yield value;
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}
