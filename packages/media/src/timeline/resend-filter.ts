import type { WireUnit } from './timeline-event.ts';

const REMEMBERED_UNITS = 1024;
const REMEMBERED_MS = 5000;
const HASHED_BYTES = 64;

/** Identifies an access unit by its time, length and last bytes. */
export function fingerprint(unit: WireUnit): string {
  return keyOf(unit.timestampMs, contentOf(unit));
}

function keyOf(timestampMs: number, content: number): string {
  return `${timestampMs}:${content}`;
}

/** Kind, length (up to 2^20) and a hash of the last bytes, in the 53 bits of a number. */
function contentOf({ kind, data }: WireUnit): number {
  let hash = 0x811c9dc5;
  for (let index = Math.max(0, data.length - HASHED_BYTES); index < data.length; index++) {
    hash = Math.imul(hash ^ (data[index] ?? 0), 0x01000193);
  }
  return (hash >>> 0) * 0x20_0000 + (data.length & 0xf_ffff) * 2 + (kind === 'video' ? 1 : 0);
}

/**
 * Recognises the queued frames that an encoder sends again when it has reconnected (RootEncoder#2048).
 *
 * Only the beginning of a publication is checked, against the last 5 s of the one before, and never against its first 5 s: an
 * encoder that starts its file from the beginning again is no duplicate.
 */
export class ResendFilter {
  /** The newest units in packed form: as objects, those of all sessions would be most of what the collector looks at. */
  readonly #times = new Float64Array(REMEMBERED_UNITS);
  readonly #contents = new Float64Array(REMEMBERED_UNITS);
  #count = 0;
  #startMs: number | undefined;
  #previous = new Set<string>();

  /** Another publication begins: what the last one sent becomes what may be resent. */
  beginPublication(): void {
    const start = this.#startMs ?? 0;
    const end = this.#timeAt(this.#count - 1);
    this.#previous = new Set();
    for (let index = Math.max(0, this.#count - REMEMBERED_UNITS); index < this.#count; index += 1) {
      const timestampMs = this.#timeAt(index);
      if (timestampMs <= end - REMEMBERED_MS || timestampMs <= start + REMEMBERED_MS) continue;
      this.#previous.add(keyOf(timestampMs, this.#contents[index % REMEMBERED_UNITS] ?? 0));
    }
    this.#count = 0;
    this.#startMs = undefined;
  }

  #timeAt(index: number): number {
    return this.#times[index % REMEMBERED_UNITS] ?? 0;
  }

  /** Takes the next access unit of the publication; true when the last publication has sent it already. */
  isResent(unit: WireUnit): boolean {
    const { timestampMs } = unit;
    const content = contentOf(unit);
    this.#startMs ??= timestampMs;
    this.#times[this.#count % REMEMBERED_UNITS] = timestampMs;
    this.#contents[this.#count % REMEMBERED_UNITS] = content;
    this.#count += 1;
    if (this.#previous.size === 0) return false;
    if (this.#previous.has(keyOf(timestampMs, content))) return true;
    // The first new picture ends the resent ones; audio that was not seen may lie between them.
    if (unit.kind === 'video') this.#previous = new Set();
    return false;
  }
}
