/** Size of a transport stream packet. */
export const PACKET_BYTES = 188;
/** Continuity counters are four bits: a multiple of this many packets brings one back to where it was. */
export const CONTINUITY_CYCLE = 16;

const HEADER_BYTES = 4;
const PAYLOAD_BYTES = PACKET_BYTES - HEADER_BYTES;
const PCR_FIELD_BYTES = 6;
/** Length and flags of an adaptation field. */
const ADAPTATION_HEADER_BYTES = 2;

/** A PES packet that is to be written, in pieces that follow one another. */
export interface PesUnit {
  readonly pid: number;
  readonly pieces: readonly Uint8Array[];
  readonly sizeBytes: number;
  /** Program clock reference of its first packet, 90 kHz modulo 2^33. */
  readonly pcr?: number;
  /** True when decoding can begin here. */
  readonly isRandomAccess: boolean;
}

/** Packets that a unit takes when they are all full but the last. */
export function packetCount(unit: PesUnit): number {
  const first = PAYLOAD_BYTES - firstAdaptationBytes(unit);
  return 1 + Math.max(0, Math.ceil((unit.sizeBytes - first) / PAYLOAD_BYTES));
}

function firstAdaptationBytes(unit: PesUnit): number {
  if (unit.pcr !== undefined) return ADAPTATION_HEADER_BYTES + PCR_FIELD_BYTES;
  return unit.isRandomAccess ? ADAPTATION_HEADER_BYTES : 0;
}

/** Writes transport stream packets to a buffer of the exact size, with a continuity counter for each PID that begins at 0. */
export class PacketWriter {
  readonly #bytes: Buffer;
  readonly #counters = new Map<number, number>();
  #at = 0;

  constructor(packets: number) {
    this.#bytes = Buffer.allocUnsafeSlow(packets * PACKET_BYTES);
  }

  /** What was written; throws `RangeError` unless it is everything that was announced. */
  finish(): Buffer {
    if (this.#at !== this.#bytes.length)
      throw new RangeError(`${this.#at} of ${this.#bytes.length} bytes of packets were written`);
    return this.#bytes;
  }

  /** Writes a packet that is whole but for its counter. */
  writePacket(pid: number, packet: Buffer): void {
    this.#bytes.set(packet, this.#at);
    this.#bytes[this.#at + 3] = 0x10 | this.#nextCounter(pid);
    this.#at += PACKET_BYTES;
  }

  /**
   * Writes a unit in `packets` packets, at least `packetCount(unit)`: the payload is spread so that each has some, since
   * a packet without payload does not count (2.4.3.3).
   */
  writeUnit(unit: PesUnit, packets: number): void {
    const reader = new PieceReader(unit.pieces);
    let left = unit.sizeBytes;
    for (let index = 0; index < packets; index += 1) {
      const needed = index === 0 ? firstAdaptationBytes(unit) : 0;
      const payload = Math.min(PAYLOAD_BYTES - needed, left - (packets - 1 - index));
      this.#writeHeader(unit, index === 0, PAYLOAD_BYTES - payload);
      reader.copy(this.#bytes, this.#at + PACKET_BYTES - payload, payload);
      this.#at += PACKET_BYTES;
      left -= payload;
    }
  }

  /** `adaptationBytes` is the size of the whole adaptation field, its length byte included. */
  #writeHeader(unit: PesUnit, isFirst: boolean, adaptationBytes: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at] = 0x47;
    bytes[at + 1] = (isFirst ? 0x40 : 0) | (unit.pid >> 8);
    bytes[at + 2] = unit.pid & 0xff;
    bytes[at + 3] = (adaptationBytes > 0 ? 0x30 : 0x10) | this.#nextCounter(unit.pid);
    if (adaptationBytes === 0) return;
    const end = at + HEADER_BYTES + adaptationBytes;
    bytes[at + 4] = adaptationBytes - 1;
    if (adaptationBytes === 1) return;
    const hasPcr = isFirst && unit.pcr !== undefined;
    bytes[at + 5] = (isFirst && unit.isRandomAccess ? 0x40 : 0) | (hasPcr ? 0x10 : 0);
    at += 6;
    if (hasPcr) {
      writePcr(bytes, at, unit.pcr ?? 0);
      at += PCR_FIELD_BYTES;
    }
    bytes.fill(0xff, at, end);
  }

  #nextCounter(pid: number): number {
    const counter = this.#counters.get(pid) ?? 0;
    this.#counters.set(pid, (counter + 1) % CONTINUITY_CYCLE);
    return counter;
  }
}

/** 33 bits of 90 kHz, six reserved bits, nine bits of extension that are 0. */
function writePcr(bytes: Buffer, at: number, pcr: number): void {
  bytes.writeUInt32BE(Math.floor(pcr / 2), at);
  bytes[at + 4] = (pcr % 2 === 1 ? 0x80 : 0) | 0x7e;
  bytes[at + 5] = 0;
}

/** Copies a list of pieces as if it were one. */
class PieceReader {
  readonly #pieces: readonly Uint8Array[];
  #index = 0;
  #offset = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  copy(target: Buffer, at: number, length: number): void {
    const end = at + length;
    while (at < end) {
      const piece = this.#pieces[this.#index];
      if (piece === undefined) throw new RangeError('a unit has fewer bytes than it says');
      const taken = Math.min(end - at, piece.length - this.#offset);
      target.set(piece.subarray(this.#offset, this.#offset + taken), at);
      at += taken;
      this.#offset += taken;
      if (this.#offset === piece.length) {
        this.#index += 1;
        this.#offset = 0;
      }
    }
  }
}
