import type { PageRequest } from '../domain/channel-store.ts';

/** Records by name that are listed in order of names: the order is made once after a name came or went, not for each page. */
export class NamedRecords<T> {
  readonly #records = new Map<string, T>();
  #names: readonly string[] | undefined;

  get(name: string): T | undefined {
    return this.#records.get(name);
  }

  has(name: string): boolean {
    return this.#records.has(name);
  }

  set(name: string, record: T): void {
    if (!this.#records.has(name)) this.#names = undefined;
    this.#records.set(name, record);
  }

  delete(name: string): boolean {
    const isDeleted = this.#records.delete(name);
    if (isDeleted) this.#names = undefined;
    return isDeleted;
  }

  /** All of them, in no order. */
  values(): readonly T[] {
    return [...this.#records.values()];
  }

  page({ after, limit }: PageRequest): readonly T[] {
    this.#names ??= [...this.#records.keys()].toSorted();
    const start = after === undefined ? 0 : firstAfter(this.#names, after);
    return this.#names.slice(start, start + limit).flatMap((name) => {
      const record = this.#records.get(name);
      return record === undefined ? [] : [record];
    });
  }
}

/** Index of the first name after another one. */
function firstAfter(names: readonly string[], after: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((names[middle] ?? '') > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
