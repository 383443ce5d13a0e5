/**
 * Whether workers bring everything, so that nothing has to come from the twin: of each rendition a part that follows what is
 * held, since the last time that something was missing.
 */
export class WriterFeed {
  readonly #fed = new Set<string>();
  #openStreams = 0;

  /** True while a worker has a stream open. */
  get hasWriter(): boolean {
    return this.#openStreams > 0;
  }

  /** A worker's stream was opened. */
  open(): void {
    this.#openStreams += 1;
  }

  /** A worker's stream was closed; once there is none, nothing is known of what comes next. */
  close(): void {
    this.#openStreams -= 1;
    if (this.#openStreams === 0) this.#fed.clear();
  }

  /** A worker's part of the rendition was stored, or was held already: everything after it comes as well. */
  take(renditionId: string): void {
    this.#fed.add(renditionId);
  }

  /** Something of the rendition is missing; without a name: of all. */
  miss(renditionId?: string): void {
    if (renditionId === undefined) this.#fed.clear();
    else this.#fed.delete(renditionId);
  }

  /** True when workers bring all of a rendition. */
  brings(renditionId: string): boolean {
    return this.#fed.has(renditionId);
  }

  /** True when workers bring all of these renditions; false while nobody knows which there are. */
  bringsAll(renditionIds: readonly string[]): boolean {
    return this.hasWriter && renditionIds.length > 0 && renditionIds.every((id) => this.#fed.has(id));
  }
}
