import { RtmpError } from '../rtmp-error.ts';
import { AmfInput } from './amf-input.ts';
import { AmfBudget } from './amf-limits.ts';
import { AmfOutput } from './amf-output.ts';
import type { AmfValue } from './amf-value.ts';

/** Type markers (AMF3 3.1). */
const Marker = {
  undefined: 0x00,
  null: 0x01,
  false: 0x02,
  true: 0x03,
  integer: 0x04,
  double: 0x05,
  string: 0x06,
  xmlDocument: 0x07,
  date: 0x08,
  array: 0x09,
  object: 0x0a,
  xml: 0x0b,
  byteArray: 0x0c,
  vectorInt: 0x0d,
  vectorUint: 0x0e,
  vectorDouble: 0x0f,
  vectorObject: 0x10,
  dictionary: 0x11,
} as const;

interface Traits {
  readonly className: string;
  readonly isDynamic: boolean;
  readonly keys: readonly string[];
}

/**
 * Parses all values of an AMF3 payload.
 *
 * Vectors become arrays, a dictionary an array of [key, value] pairs, an array with string keys an ECMA array whose dense
 * part has the keys "0", "1", ...; externalizable classes are refused, since nothing says how long they are. Throws
 * `RtmpError` (`AMF_...`); limits as for AMF0.
 */
export const parseAmf3 = (payload: Uint8Array, start = 0): AmfValue[] => {
  const input = new AmfInput(payload, start);
  const reader = new Amf3Reader(input, new AmfBudget());
  const values: AmfValue[] = [];
  while (input.left > 0) values.push(reader.read(0));
  return values;
};

/** Reads AMF3 values that share their reference tables. */
export class Amf3Reader {
  readonly #input: AmfInput;
  readonly #budget: AmfBudget;
  readonly #strings: string[] = [];
  readonly #traits: Traits[] = [];
  readonly #complex: { readonly value: AmfValue; readonly cost: number }[] = [];

  constructor(input: AmfInput, budget: AmfBudget) {
    this.#input = input;
    this.#budget = budget;
  }

  /** Reads one value; `depth` is the number of objects around it. */
  read(depth: number): AmfValue {
    const input = this.#input;
    const offset = input.offset;
    this.#budget.charge(1, offset);
    const marker = input.u8();
    switch (marker) {
      case Marker.undefined:
        return undefined;
      case Marker.null:
        return null;
      case Marker.false:
        return false;
      case Marker.true:
        return true;
      case Marker.integer:
        // 29 bits, signed.
        return (this.#u29() << 3) >> 3;
      case Marker.double:
        return input.f64();
      case Marker.string:
        return this.#string();
      case Marker.xmlDocument:
      case Marker.xml:
      case Marker.date:
      case Marker.array:
      case Marker.object:
      case Marker.byteArray:
      case Marker.vectorInt:
      case Marker.vectorUint:
      case Marker.vectorDouble:
      case Marker.vectorObject:
      case Marker.dictionary:
        return this.#readComplex(marker, depth + 1, offset);
      default:
        throw new RtmpError('AMF_TYPE_INVALID', offset, `AMF3 marker ${marker}`);
    }
  }

  #readComplex(marker: number, depth: number, offset: number): AmfValue {
    const header = this.#u29();
    if ((header & 1) === 0) {
      const target = this.#complex[header >> 1];
      if (target === undefined || target.cost === 0) {
        throw new RtmpError(
          'AMF_REFERENCE_INVALID',
          offset,
          `reference to ${header >> 1}, which is not finished`,
        );
      }
      this.#budget.charge(target.cost, offset);
      return target.value;
    }
    this.#budget.enter(depth, offset);
    const index = this.#complex.length;
    this.#complex.push({ value: undefined, cost: 0 });
    const before = this.#budget.values - 1;
    const value = this.#readBody(marker, header >> 1, depth, offset);
    this.#complex[index] = { value, cost: this.#budget.values - before };
    return value;
  }

  #readBody(marker: number, size: number, depth: number, offset: number): AmfValue {
    const input = this.#input;
    switch (marker) {
      case Marker.xmlDocument:
      case Marker.xml:
        return { kind: 'xml', text: input.text(size) };
      case Marker.date:
        return { kind: 'date', unixMs: input.f64() };
      case Marker.byteArray:
        return input.bytes(size);
      case Marker.array:
        return this.#array(size, depth);
      case Marker.object:
        return this.#object(size, depth, offset);
      case Marker.dictionary: {
        input.skip(1);
        return this.#list(size, 2, () => [this.read(depth), this.read(depth)]);
      }
      case Marker.vectorObject:
        input.skip(1);
        this.#string();
        return this.#list(size, 1, () => this.read(depth));
      default:
        input.skip(1);
        return this.#list(size, marker === Marker.vectorDouble ? 8 : 4, () => {
          if (marker === Marker.vectorDouble) return input.f64();
          return marker === Marker.vectorInt ? input.i32() : input.u32();
        });
    }
  }

  #list(count: number, bytesEach: number, read: () => AmfValue): AmfValue[] {
    if (count * bytesEach > this.#input.left) {
      throw new RtmpError('AMF_TRUNCATED', this.#input.offset, `${count} elements announced`);
    }
    // Elements with a marker of their own are charged when they are read.
    if (bytesEach > 2) this.#budget.charge(count, this.#input.offset);
    const values: AmfValue[] = [];
    while (values.length < count) values.push(read());
    return values;
  }

  #array(size: number, depth: number): AmfValue {
    const named = new Map<string, AmfValue>();
    for (let key = this.#string(); key !== ''; key = this.#string()) named.set(key, this.read(depth));
    const dense = this.#list(size, 1, () => this.read(depth));
    if (named.size === 0) return dense;
    for (const [index, value] of dense.entries()) named.set(String(index), value);
    return { kind: 'ecma-array', values: named };
  }

  #object(header: number, depth: number, offset: number): AmfValue {
    const traits = this.#readTraits(header, offset);
    const values = new Map<string, AmfValue>();
    for (const key of traits.keys) values.set(key, this.read(depth));
    if (traits.isDynamic) {
      for (let key = this.#string(); key !== ''; key = this.#string()) values.set(key, this.read(depth));
    }
    return traits.className === ''
      ? { kind: 'object', values }
      : { kind: 'object', className: traits.className, values };
  }

  #readTraits(header: number, offset: number): Traits {
    if ((header & 1) === 0) {
      const traits = this.#traits[header >> 1];
      if (traits === undefined) throw new RtmpError('AMF_REFERENCE_INVALID', offset, `traits ${header >> 1}`);
      return traits;
    }
    if ((header & 2) !== 0) throw new RtmpError('AMF_TYPE_INVALID', offset, 'externalizable class');
    const count = header >> 3;
    if (count > this.#input.left)
      throw new RtmpError('AMF_TRUNCATED', offset, `${count} sealed properties announced`);
    this.#budget.charge(count, offset);
    const className = this.#string();
    const keys: string[] = [];
    while (keys.length < count) keys.push(this.#string());
    const traits = { className, isDynamic: (header & 4) !== 0, keys };
    this.#traits.push(traits);
    return traits;
  }

  #string(): string {
    const offset = this.#input.offset;
    const header = this.#u29();
    if ((header & 1) === 0) {
      const known = this.#strings[header >> 1];
      if (known === undefined) throw new RtmpError('AMF_REFERENCE_INVALID', offset, `string ${header >> 1}`);
      return known;
    }
    const text = this.#input.text(header >> 1);
    if (text !== '') this.#strings.push(text);
    return text;
  }

  /** 1 to 4 bytes of 7, 7, 7 and 8 bits (AMF3 1.3.1). */
  #u29(): number {
    let value = 0;
    for (let i = 0; i < 3; i += 1) {
      const byte = this.#input.u8();
      value = (value << 7) | (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    return (value << 8) | this.#input.u8();
  }
}

/** The values as AMF3, without references; numbers as doubles. */
export const marshalAmf3 = (values: readonly AmfValue[]): Uint8Array => {
  const output = new AmfOutput();
  for (const value of values) writeAmf3(output, value);
  return output.finish();
};

/** Writes one value as AMF3. */
export const writeAmf3 = (output: AmfOutput, value: AmfValue): void => {
  switch (typeof value) {
    case 'undefined':
      output.u8(Marker.undefined);
      return;
    case 'boolean':
      output.u8(value ? Marker.true : Marker.false);
      return;
    case 'number':
      output.u8(Marker.double);
      output.f64(value);
      return;
    case 'string':
      output.u8(Marker.string);
      writeText(output, value);
      return;
    default:
  }
  if (value === null) {
    output.u8(Marker.null);
  } else if (ArrayBuffer.isView(value)) {
    output.u8(Marker.byteArray);
    writeU29(output, (value.length << 1) | 1);
    output.bytes(value);
  } else if ('length' in value) {
    output.u8(Marker.array);
    writeU29(output, (value.length << 1) | 1);
    writeText(output, '');
    for (const element of value) writeAmf3(output, element);
  } else if (value.kind === 'date') {
    output.u8(Marker.date);
    writeU29(output, 1);
    output.f64(value.unixMs);
  } else if (value.kind === 'xml') {
    output.u8(Marker.xml);
    writeText(output, value.text);
  } else if (value.kind === 'ecma-array') {
    output.u8(Marker.array);
    writeU29(output, 1);
    writeProperties(output, value.values);
  } else {
    output.u8(Marker.object);
    // Inline traits, dynamic, no sealed properties.
    writeU29(output, 0x0b);
    writeText(output, value.className ?? '');
    writeProperties(output, value.values);
  }
};

const writeProperties = (output: AmfOutput, values: ReadonlyMap<string, AmfValue>): void => {
  for (const [key, value] of values) {
    // The empty key ends the list, so a property of that name cannot be written.
    if (key === '') continue;
    writeText(output, key);
    writeAmf3(output, value);
  }
  writeText(output, '');
};

const writeText = (output: AmfOutput, value: string): void => {
  const bytes = Buffer.from(value);
  writeU29(output, (bytes.length << 1) | 1);
  output.bytes(bytes);
};

const writeU29 = (output: AmfOutput, value: number): void => {
  if (value >= 0x200000) {
    output.u8(0x80 | (value >>> 22));
    output.u8(0x80 | ((value >>> 15) & 0x7f));
    output.u8(0x80 | ((value >>> 8) & 0x7f));
    output.u8(value & 0xff);
    return;
  }
  if (value >= 0x4000) output.u8(0x80 | (value >>> 14));
  if (value >= 0x80) output.u8(0x80 | ((value >>> 7) & 0x7f));
  output.u8(value & 0x7f);
};
