import { isIPv6 } from 'node:net';
import type { Clock } from '@millrace/runtime';
import type { IngestConfig } from '../config.ts';

/** What one address may do with keys that are refused. */
export type KeyAttemptLimits = Pick<
  IngestConfig['limits'],
  'refusedKeysPerMinute' | 'refusedKeyHoldSeconds' | 'pendingKeysPerAddress'
>;

/** What came of a check: a right key, a wrong one, or no answer about it. */
export type KeyOutcome = 'granted' | 'refused' | 'unknown';

/** What is known of an address. */
interface Suspect {
  /** Refused keys that have not been forgiven yet; a minute forgives as many as it may have. */
  debt: number;
  debtAtMs: number;
  /** Keys that are being checked now. */
  checking: number;
  /** Until when each refusal is held, in order; whether its connection still waits for it makes no difference. */
  readonly heldUntilMs: number[];
}

/** Most minutes that it takes an address to be trusted again. */
const MAX_DEBT_MINUTES = 10;
/** Addresses and keys that are remembered, the oldest forgotten first. */
const MAX_REMEMBERED = 10_000;

/**
 * Makes guessing of stream keys slow for an address without keeping out whoever else is behind it.
 *
 * Behind the NAT or load balancer of a guesser there may be encoders with right keys, and only asking tells which is which: so
 * an address that has shown too many wrong keys is not shut out. Its wrong keys are answered late instead, and only so many of
 * its keys may be pending, checked or held, at once: that bounds the guesses in a second. A right key is never held. While all
 * places are taken a key is refused unasked, unless it was granted here before: an encoder that was live comes back in any case.
 */
export class KeyAttempts {
  readonly #limits: KeyAttemptLimits;
  readonly #clock: Clock;
  readonly #suspects = new Map<string, Suspect>();
  /** Hashes of keys that were granted. */
  readonly #granted = new Set<string>();

  constructor(limits: KeyAttemptLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Takes a place for a check, which `end` gives back; false when the key has to be refused unasked. */
  begin(remoteAddress: string, sha256: string): boolean {
    const suspect = this.#suspectOf(remoteAddress);
    const { refusedKeysPerMinute, pendingKeysPerAddress } = this.#limits;
    const pending = suspect.checking + suspect.heldUntilMs.length;
    const isFull = suspect.debt >= refusedKeysPerMinute && pending >= pendingKeysPerAddress;
    if (isFull && !this.#granted.has(sha256)) return false;
    suspect.checking += 1;
    return true;
  }

  /** Ends a check that `begin` allowed; gives for how long a refusal is to be held, in ms. */
  end(remoteAddress: string, sha256: string, outcome: KeyOutcome): number {
    const suspect = this.#suspectOf(remoteAddress);
    suspect.checking = Math.max(0, suspect.checking - 1);
    if (outcome === 'unknown') return 0;
    this.#granted.delete(sha256);
    if (outcome === 'granted') {
      this.#granted.add(sha256);
      forgetOldest(this.#granted);
      return 0;
    }
    const { refusedKeysPerMinute, refusedKeyHoldSeconds } = this.#limits;
    suspect.debt = Math.min(suspect.debt + 1, MAX_DEBT_MINUTES * refusedKeysPerMinute);
    if (suspect.debt <= refusedKeysPerMinute) return 0;
    const holdMs = refusedKeyHoldSeconds * 1000;
    suspect.heldUntilMs.push(this.#clock() + holdMs);
    return holdMs;
  }

  /** An address as it is now, the newest of those remembered. */
  #suspectOf(remoteAddress: string): Suspect {
    const network = networkOf(remoteAddress);
    const nowMs = this.#clock();
    const suspect = this.#suspects.get(network) ?? {
      debt: 0,
      debtAtMs: nowMs,
      checking: 0,
      heldUntilMs: [],
    };
    const forgiven = (Math.max(0, nowMs - suspect.debtAtMs) / 60_000) * this.#limits.refusedKeysPerMinute;
    suspect.debt = Math.max(0, suspect.debt - forgiven);
    suspect.debtAtMs = nowMs;
    while ((suspect.heldUntilMs[0] ?? Infinity) <= nowMs) suspect.heldUntilMs.shift();
    this.#suspects.delete(network);
    this.#suspects.set(network, suspect);
    forgetOldest(this.#suspects);
    return suspect;
  }
}

function forgetOldest(remembered: Map<string, unknown> | Set<string>): void {
  if (remembered.size <= MAX_REMEMBERED) return;
  for (const oldest of remembered.keys()) {
    remembered.delete(oldest);
    return;
  }
}

/** Who has one IPv6 address has its /64. */
function networkOf(address: string): string {
  // An IPv4 address in IPv6 form is one all the same.
  if (!isIPv6(address) || address.includes('.')) return address;
  const [before = '', after] = address.split('::');
  const left = before === '' ? [] : before.split(':');
  if (after === undefined) return left.slice(0, 4).join(':');
  const right = after === '' ? [] : after.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
