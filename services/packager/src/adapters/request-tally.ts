import { OBJECT_KINDS } from './entity.ts';
import type { ObjectKind } from './entity.ts';

const MAX_STATUS = 600;

/** Counts responses without hashing labels on the request path: a slot for each object and status. */
export class RequestTally {
  readonly #counts = new Map<ObjectKind, Float64Array>(
    OBJECT_KINDS.map((object) => [object, new Float64Array(MAX_STATUS)]),
  );
  readonly #bytes = new Map<ObjectKind, number>();

  /** Counts a response and the bytes of its body. */
  count(object: ObjectKind, status: number, bytes: number): void {
    const counts = this.#counts.get(object);
    if (counts !== undefined) counts[status] = (counts[status] ?? 0) + 1;
    if (bytes > 0) this.#bytes.set(object, (this.#bytes.get(object) ?? 0) + bytes);
  }

  /** Every count above 0. */
  *responses(): Iterable<{ readonly object: ObjectKind; readonly status: number; readonly count: number }> {
    for (const [object, counts] of this.#counts) {
      for (const [status, count] of counts.entries()) if (count > 0) yield { object, status, count };
    }
  }

  /** Bytes by object. */
  *bytes(): Iterable<{ readonly object: ObjectKind; readonly bytes: number }> {
    for (const [object, bytes] of this.#bytes) yield { object, bytes };
  }
}
