import { describe, expect, test } from '@jest/globals';
import { hex } from '../testdata/wire.ts';
import { marshalAmf0, parseAmf0 } from './amf0.ts';
import { marshalAmf3 } from './amf3-writer.ts';
import { parseAmf3 } from './amf3.ts';
import { type AmfValue, amfObject } from './amf-value.ts';

const text = (value: string): string => Buffer.from(value).toString('hex');
const object = (entries: readonly (readonly [string, AmfValue])[]): AmfValue => ({
  kind: 'object',
  values: new Map(entries),
});
const ecma = (entries: readonly (readonly [string, AmfValue])[]): AmfValue => ({
  kind: 'ecma-array',
  values: new Map(entries),
});

interface Case {
  readonly name: string;
  readonly bytes: string;
  readonly values: readonly AmfValue[] | string;
}

const amf0: readonly Case[] = [
  { name: 'number', bytes: '00 4009000000000000', values: [3.125] },
  { name: 'boolean, any byte but 0 being true', bytes: '01 00 01 01 01 02', values: [false, true, true] },
  { name: 'string', bytes: `02 0003 ${text('abc')}`, values: ['abc'] },
  { name: 'string that is not UTF-8', bytes: '02 0002 ff41', values: ['\ufffdA'] },
  { name: 'long string (0x0c)', bytes: `0c 00000003 ${text('abc')}`, values: ['abc'] },
  { name: 'null, undefined, unsupported', bytes: '05 06 0d', values: [null, undefined, undefined] },
  {
    name: 'object, ended by 00 00 09',
    bytes: `03 0001 ${text('a')} 0101 000009 05`,
    values: [object([['a', true]]), null],
  },
  {
    name: 'typed object (0x10)',
    bytes: `10 0001 ${text('C')} 0001 ${text('a')} 05 000009`,
    values: [{ kind: 'object', className: 'C', values: new Map([['a', null]]) }],
  },
  { name: 'object with an empty key', bytes: '03 0000 05 000009', values: [object([['', null]])] },
  { name: 'ECMA array', bytes: `08 00000001 0001 ${text('a')} 05 000009`, values: [ecma([['a', null]])] },
  {
    name: 'ECMA array that counts too few',
    bytes: `08 00000000 0001 ${text('a')} 05 000009`,
    values: [ecma([['a', null]])],
  },
  {
    name: 'ECMA array that counts too many',
    bytes: `08 0000ffff 0001 ${text('a')} 05 000009 05`,
    values: [ecma([['a', null]]), null],
  },
  {
    name: 'ECMA array that ends with the message',
    bytes: `08 00000001 0001 ${text('a')} 05`,
    values: [ecma([['a', null]])],
  },
  { name: 'strict array', bytes: '0a 00000002 05 0101', values: [[null, true]] },
  {
    name: 'date, time zone ignored',
    bytes: '0b 4059000000000000 ffc4',
    values: [{ kind: 'date', unixMs: 100 }],
  },
  { name: 'XML', bytes: `0f 00000003 ${text('<a>')}`, values: [{ kind: 'xml', text: '<a>' }] },
  { name: 'reference to a finished object', bytes: `03 000009 07 0000`, values: [object([]), object([])] },
  {
    name: 'reference to the second of two',
    bytes: '0a 00000000 03 000009 07 0001',
    values: [[], object([]), object([])],
  },
  { name: 'AMF3 for one value (0x11)', bytes: '11 04 05 05', values: [5, null] },
  { name: 'nothing', bytes: '', values: [] },
  { name: 'reference to nothing', bytes: '07 0000', values: 'AMF_REFERENCE_INVALID' },
  { name: 'reference to the array it is in', bytes: '0a 00000001 07 0000', values: 'AMF_REFERENCE_INVALID' },
  { name: 'movie clip, reserved', bytes: '04', values: 'AMF_TYPE_INVALID' },
  { name: 'record set, reserved', bytes: '0e', values: 'AMF_TYPE_INVALID' },
  { name: 'object end without an object', bytes: '09', values: 'AMF_TYPE_INVALID' },
  { name: 'number cut off', bytes: '00 4009', values: 'AMF_TRUNCATED' },
  { name: 'string longer than the message', bytes: '02 ffff 41', values: 'AMF_TRUNCATED' },
  { name: 'long string of 4 GB', bytes: '0c ffffffff 41', values: 'AMF_TRUNCATED' },
  { name: 'object that never ends', bytes: `03 0001 ${text('a')} 05`, values: 'AMF_TRUNCATED' },
  { name: 'strict array of more elements than bytes', bytes: '0a 00000002 05', values: 'AMF_TRUNCATED' },
  {
    name: '16 levels',
    bytes: '0a00000001'.repeat(15) + '0a00000000',
    values: [JSON.parse('['.repeat(16) + ']'.repeat(16)) as AmfValue],
  },
  { name: '17 levels', bytes: '0a00000001'.repeat(16) + '0a00000000', values: 'AMF_TOO_DEEP' },
  {
    name: '17 levels, half of them AMF3',
    bytes: `${'0a00000001'.repeat(8)}11${'090301'.repeat(8)}090101`,
    values: 'AMF_TOO_DEEP',
  },
  { name: '8193 values', bytes: '05'.repeat(8193), values: 'AMF_TOO_COSTLY' },
  {
    name: 'references that unfold to more than 8192 values (billion laughs)',
    bytes: `0a 00000064 ${'05'.repeat(100)} 0a 00000002 07 0000 07 0000 ${'07 0001'.repeat(100)}`,
    values: 'AMF_TOO_COSTLY',
  },
];

const amf3: readonly Case[] = [
  { name: 'undefined, null, false, true', bytes: '00 01 02 03', values: [undefined, null, false, true] },
  { name: 'integer of one byte', bytes: '04 7f', values: [127] },
  { name: 'integer of two bytes', bytes: '04 8100', values: [128] },
  { name: 'integer of four bytes, negative', bytes: '04 ffffffff', values: [-1] },
  { name: 'smallest integer', bytes: '04 c0808000', values: [-268_435_456] },
  { name: 'double', bytes: '05 4009000000000000', values: [3.125] },
  { name: 'string and a reference to it', bytes: `06 07 ${text('abc')} 06 00`, values: ['abc', 'abc'] },
  {
    name: 'the empty string is not in the table',
    bytes: `06 01 06 03 ${text('a')} 06 00`,
    values: ['', 'a', 'a'],
  },
  {
    name: 'XML in both forms',
    bytes: `07 03 ${text('a')} 0b 03 ${text('b')}`,
    values: [
      { kind: 'xml', text: 'a' },
      { kind: 'xml', text: 'b' },
    ],
  },
  { name: 'date', bytes: '08 01 4059000000000000', values: [{ kind: 'date', unixMs: 100 }] },
  { name: 'dense array', bytes: '09 05 01 0401 01', values: [[1, null]] },
  {
    name: 'array with keys',
    bytes: `09 03 03 ${text('a')} 01 01 0405`,
    values: [
      ecma([
        ['a', null],
        ['0', 5],
      ]),
    ],
  },
  { name: 'dynamic object', bytes: `0a 0b 01 03 ${text('a')} 0401 01`, values: [object([['a', 1]])] },
  {
    name: 'sealed object and one of the same traits',
    bytes: `0a 13 03 ${text('C')} 03 ${text('a')} 0401  0a 01 0402`,
    values: [
      { kind: 'object', className: 'C', values: new Map([['a', 1]]) },
      { kind: 'object', className: 'C', values: new Map([['a', 2]]) },
    ],
  },
  { name: 'byte array', bytes: '0c 05 aabb', values: [hex('aabb')] },
  {
    name: 'vectors of int, uint and double',
    bytes: '0d 03 00 ffffffff 0e 03 00 ffffffff 0f 03 00 4009000000000000',
    values: [[-1], [4_294_967_295], [3.125]],
  },
  { name: 'vector of objects', bytes: '10 03 00 01 01', values: [[null]] },
  { name: 'dictionary', bytes: `11 03 00 06 03 ${text('k')} 03`, values: [[['k', true]]] },
  { name: 'reference to a finished array', bytes: '09 01 01 09 00', values: [[], []] },
  { name: 'reference to the array it is in', bytes: '09 03 01 09 00', values: 'AMF_REFERENCE_INVALID' },
  {
    name: 'references that unfold to more than 8192 values',
    bytes: `09 8149 01 ${'01'.repeat(100)} ${'09 00'.repeat(100)}`,
    values: 'AMF_TOO_COSTLY',
  },
  { name: 'string reference to nothing', bytes: '06 04', values: 'AMF_REFERENCE_INVALID' },
  { name: 'traits reference to nothing', bytes: '0a 05', values: 'AMF_REFERENCE_INVALID' },
  { name: 'externalizable class', bytes: `0a 07 03 ${text('C')}`, values: 'AMF_TYPE_INVALID' },
  { name: 'unknown marker', bytes: '12', values: 'AMF_TYPE_INVALID' },
  { name: 'array of 2^28 elements', bytes: '09 ffffffff 01', values: 'AMF_TRUNCATED' },
  { name: 'vector of 2^28 doubles', bytes: '0f ffffffff 00', values: 'AMF_TRUNCATED' },
  { name: 'class of 2^25 properties', bytes: '0a fffffff3 01', values: 'AMF_TRUNCATED' },
  { name: 'byte array longer than the message', bytes: '0c 7f aa', values: 'AMF_TRUNCATED' },
  { name: '17 levels', bytes: '090301'.repeat(17), values: 'AMF_TOO_DEEP' },
];

describe.each([
  ['AMF0', amf0, parseAmf0],
  ['AMF3', amf3, parseAmf3],
] as const)('%s', (_, cases, parse) => {
  test.each(cases)('$name', ({ bytes, values }) => {
    if (typeof values === 'string') {
      expect(() => parse(hex(bytes))).toThrow(expect.objectContaining({ name: 'RtmpError', kind: values }));
    } else {
      expect(parse(hex(bytes))).toEqual(values);
    }
  });
});

describe('marshal', () => {
  test('a string of more than 65535 bytes is a long string', () => {
    const long = 'x'.repeat(65_536);
    expect(marshalAmf0([long])[0]).toBe(0x0c);
    expect(parseAmf0(marshalAmf0([long]))).toEqual([long]);
  });

  test('a byte array in AMF0 goes as AMF3', () => {
    expect(Buffer.from(marshalAmf0([hex('aa')])).toString('hex')).toBe('110c03aa');
  });

  test('a command is what other implementations write', () => {
    expect(Buffer.from(marshalAmf0(['a', 1, amfObject({ k: 'v' }), null])).toString('hex')).toBe(
      `02000161003ff0000000000000030001${text('k')}020001${text('v')}00000905`,
    );
  });

  test.each([0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff, 0x20_0000])('AMF3 byte array of %i bytes', (length) => {
    const [bytes, end, ...rest] = parseAmf3(marshalAmf3([new Uint8Array(length).fill(7), null]));
    expect([ArrayBuffer.isView(bytes) && bytes.every((byte) => byte === 7), end, rest]).toEqual([
      true,
      null,
      [],
    ]);
    expect(ArrayBuffer.isView(bytes) && bytes.byteLength).toBe(length);
  });
});
