import type { WireUnit } from './timeline-event.ts';

const REMEMBERED_UNITS = 512;
const REMEMBERED_MS = 5000;
const HASHED_BYTES = 64;

interface SeenUnit {
  readonly timestampMs: number;
  readonly key: string;
}

/** Identifies an access unit by its time, length and last bytes. */
export function fingerprint({ kind, timestampMs, data }: WireUnit): string {
  let hash = 0x811c9dc5;
  for (let index = Math.max(0, data.length - HASHED_BYTES); index < data.length; index++) {
    hash = Math.imul(hash ^ (data[index] ?? 0), 0x01000193);
  }
  return `${kind}:${timestampMs}:${data.length}:${hash >>> 0}`;
}

/**
 * Recognises the queued frames that an encoder sends again when it has reconnected (RootEncoder#2048).
 *
 * Only the beginning of a publication is checked, against the last 5 s of the one before, and never against its first 5 s: an
 * encoder that starts its file from the beginning again is no duplicate.
 */
export class ResendFilter {
  #seen: SeenUnit[] = [];
  #startMs: number | undefined;
  #previous = new Set<string>();

  /** Another publication begins: what the last one sent becomes what may be resent. */
  beginPublication(): void {
    const start = this.#startMs ?? 0;
    const end = this.#seen.at(-1)?.timestampMs ?? 0;
    const candidates = this.#seen.filter(
      ({ timestampMs }) => timestampMs > end - REMEMBERED_MS && timestampMs > start + REMEMBERED_MS,
    );
    this.#previous = new Set(candidates.map(({ key }) => key));
    this.#seen = [];
    this.#startMs = undefined;
  }

  /** Takes the next access unit of the publication; true when the last publication has sent it already. */
  isResent(unit: WireUnit): boolean {
    const key = fingerprint(unit);
    this.#startMs ??= unit.timestampMs;
    this.#seen.push({ timestampMs: unit.timestampMs, key });
    if (this.#seen.length > 2 * REMEMBERED_UNITS) this.#seen.splice(0, REMEMBERED_UNITS);
    if (this.#previous.size === 0) return false;
    if (this.#previous.has(key)) return true;
    // The first new picture ends the resent ones; audio that was not seen may lie between them.
    if (unit.kind === 'video') this.#previous = new Set();
    return false;
  }
}
