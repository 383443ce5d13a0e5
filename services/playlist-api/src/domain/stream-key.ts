import { createHash, randomInt } from 'node:crypto';
import type { Origin } from './channel.ts';

/** A stream key as it is stored: its hash, never itself. */
export interface StoredStreamKey {
  /** ULID, or `file-<name>` for one that came from a file. */
  readonly id: string;
  readonly channel: string;
  /** SHA-256 of the key in lower-case hex. */
  readonly sha256: string;
  readonly role: 'primary' | 'backup';
  /** What a person calls it; may be empty. */
  readonly label: string;
  readonly origin: Origin;
  readonly createdAtMs: number;
  /** From when on it is refused: set while a rotation overlaps. */
  readonly expiresAtMs?: number;
}

// No 0/o, 1/l/i: keys are sometimes read out loud.
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const GROUPS = 5;
const GROUP_LENGTH = 5;

/** Makes a stream key with 123 bits of randomness: five groups of five, safe in an RTMP URL. */
export function generateStreamKey(): string {
  const group = (): string =>
    Array.from({ length: GROUP_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)] ?? '').join('');
  return Array.from({ length: GROUPS }, group).join('-');
}

/** The hash under which a stream key is stored, in lower-case hex. */
export function hashStreamKey(streamKey: string): string {
  return createHash('sha256').update(streamKey, 'utf8').digest('hex');
}
