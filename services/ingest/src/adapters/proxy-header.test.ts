import { describe, expect, test } from '@jest/globals';
import { PROXY_SIGNATURE, readProxyHeader } from './proxy-header.ts';

/** A header as the specification has it; `rest` is what the length says there is. */
function header(versionAndCommand: number, familyAndProtocol: number, rest: Buffer): Buffer {
  const fixed = Buffer.alloc(4);
  fixed.writeUInt8(versionAndCommand, 0);
  fixed.writeUInt8(familyAndProtocol, 1);
  fixed.writeUInt16BE(rest.length, 2);
  return Buffer.concat([PROXY_SIGNATURE, fixed, rest]);
}

const IPV4 = Buffer.from('c0000207c63364091234078f', 'hex');
const IPV6 = Buffer.concat([
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from('20010db8000000000000000000000002', 'hex'),
  Buffer.from('12340780', 'hex'),
]);

describe('a header of the PROXY protocol', () => {
  test('names the encoder by IPv4 or IPv6, also with TLVs behind the addresses', () => {
    expect(readProxyHeader(header(0x21, 0x11, IPV4))).toEqual({ length: 28, sourceAddress: '192.0.2.7' });
    const withTlv = header(0x21, 0x11, Buffer.concat([IPV4, Buffer.from('040001aa', 'hex')]));
    expect(readProxyHeader(withTlv)).toEqual({ length: 32, sourceAddress: '192.0.2.7' });
    expect(readProxyHeader(header(0x21, 0x21, IPV6))).toEqual({ length: 52, sourceAddress: '2001:db8::1' });
  });

  test('names nobody when the balancer speaks for itself, or for something that has no address', () => {
    expect(readProxyHeader(header(0x20, 0x00, Buffer.alloc(0)))).toEqual({ length: 16 });
    expect(readProxyHeader(header(0x21, 0x31, Buffer.alloc(216)))).toEqual({ length: 232 });
  });

  test('is awaited byte by byte', () => {
    const whole = header(0x21, 0x11, IPV4);
    for (let length = 0; length < whole.length; length += 1) {
      expect(readProxyHeader(whole.subarray(0, length))).toBeUndefined();
    }
  });

  test.each([
    ['an RTMP handshake', Buffer.from([3, 0, 0, 0, 0])],
    ['version 1', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 4660 1935\r\n')],
    ['another version', header(0x31, 0x11, IPV4)],
    ['an unknown command', header(0x22, 0x11, IPV4)],
    ['addresses that are cut short', header(0x21, 0x11, IPV4.subarray(0, 11))],
    ['a length that nobody needs', header(0x21, 0x11, Buffer.alloc(3000))],
  ])('is refused for %s', (_name, bytes) => {
    expect(() => readProxyHeader(bytes)).toThrow(
      expect.objectContaining({ id: 'INGEST_PROXY_HEADER_INVALID' }),
    );
  });
});
