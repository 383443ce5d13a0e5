import { ServiceError } from '@millrace/runtime';

/** What a header of the PROXY protocol said. */
export interface ProxyHeader {
  /** Bytes that it took. */
  readonly length: number;
  /** The encoder's address; absent when the balancer speaks for itself (`LOCAL`), or the family is none of IP. */
  readonly sourceAddress?: string;
}

/** Section 2.2 of the PROXY protocol's specification (2020/03/05): what no other protocol begins with. */
export const PROXY_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const FIXED_BYTES = 16;
/** Longer ones carry certificates, which are of no use here. */
const MAX_BYTES = 2048;
const VERSION = 2;
const COMMAND = { LOCAL: 0, PROXY: 1 } as const;
const FAMILY = { IPV4: 1, IPV6: 2 } as const;
const ADDRESS_BYTES = { [FAMILY.IPV4]: 4, [FAMILY.IPV6]: 16 } as const;

/**
 * Reads a header of version 2 at the beginning of a connection; `undefined` while it is not there as a whole.
 *
 * Addresses are as `node:net` writes them. What follows the addresses (TLVs) is passed over. Throws
 * `INGEST_PROXY_HEADER_INVALID` for what is not such a header.
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  const known = Math.min(bytes.length, PROXY_SIGNATURE.length);
  if (!bytes.subarray(0, known).equals(PROXY_SIGNATURE.subarray(0, known)))
    throw invalid('does not begin with one');
  if (bytes.length < FIXED_BYTES) return undefined;
  const versionAndCommand = bytes.readUInt8(12);
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >> 4 !== VERSION) throw invalid(`has version ${versionAndCommand >> 4}`);
  if (command !== COMMAND.LOCAL && command !== COMMAND.PROXY) throw invalid(`has the command ${command}`);
  const family = bytes.readUInt8(13) >> 4;
  const length = FIXED_BYTES + bytes.readUInt16BE(14);
  if (length > MAX_BYTES) throw invalid(`has ${length} bytes`);
  if (bytes.length < length) return undefined;
  if (command === COMMAND.LOCAL || (family !== FAMILY.IPV4 && family !== FAMILY.IPV6)) return { length };
  // Both addresses, then both ports.
  const addressBytes = ADDRESS_BYTES[family];
  if (length < FIXED_BYTES + 2 * addressBytes + 4) throw invalid('is shorter than its addresses');
  const source = bytes.subarray(FIXED_BYTES, FIXED_BYTES + addressBytes);
  return { length, sourceAddress: family === FAMILY.IPV4 ? source.join('.') : ipv6(source) };
}

/** In the one form that RFC 5952 leaves. */
function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function invalid(what: string): ServiceError {
  return new ServiceError(
    'INVALID_ARGUMENT',
    'INGEST_PROXY_HEADER_INVALID',
    `A balancer has to begin with a header of the PROXY protocol, version 2: the connection ${what}`,
  );
}
