import { ulid } from 'ulid';
import { ServiceError } from '../../service-error.ts';

/** Requests whose answers may still be asked for; more are forgotten, the oldest first. */
const MAX_UNANSWERED = 1000;

/**
 * Ids of requests, by which a script gives the answer again that was lost on the way.
 *
 * A request without an answer may have been run, or be run when Redis is back. Whoever makes the same one again does so under
 * the same id, and gets what the first one got, instead of a refusal because of itself.
 */
export class RequestIds {
  readonly #unanswered = new Map<string, string>();

  /** Runs a request under its id; two requests are the same when their keys are. */
  async run<T>(key: string, request: (id: string) => Promise<T>): Promise<T> {
    const id = this.#unanswered.get(key) ?? ulid();
    // One answer is for one who asks.
    this.#unanswered.delete(key);
    try {
      return await request(id);
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'UNAVAILABLE') this.#keep(key, id);
      throw error;
    }
  }

  #keep(key: string, id: string): void {
    this.#unanswered.set(key, id);
    const [oldest] = this.#unanswered.keys();
    if (this.#unanswered.size > MAX_UNANSWERED && oldest !== undefined) this.#unanswered.delete(oldest);
  }
}
