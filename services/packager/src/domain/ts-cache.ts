/** MPEG-TS segments that were made, least recently used first; what does not fit goes. */
export class TsCache<Key extends object, Value extends { readonly body: Buffer }> {
  readonly #maxBytes: number;
  readonly #values = new Map<Key, Value>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: Key): Value | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: Key, value: Value): void {
    this.delete(key);
    this.#values.set(key, value);
    this.#bytes += value.body.length;
    for (const oldest of this.#values.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.delete(oldest);
    }
  }

  delete(key: Key): void {
    this.#bytes -= this.#values.get(key)?.body.length ?? 0;
    this.#values.delete(key);
  }
}
