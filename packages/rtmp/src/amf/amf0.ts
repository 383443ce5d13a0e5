import { RtmpError } from '../rtmp-error.ts';
import { AmfInput } from './amf-input.ts';
import { AmfBudget } from './amf-limits.ts';
import { AmfOutput } from './amf-output.ts';
import type { AmfObject, AmfValue } from './amf-value.ts';
import { writeAmf3 } from './amf3-writer.ts';
import { Amf3Reader } from './amf3.ts';

/** Type markers (AMF0 2.1). */
const Marker = {
  number: 0x00,
  boolean: 0x01,
  string: 0x02,
  object: 0x03,
  movieClip: 0x04,
  null: 0x05,
  undefined: 0x06,
  reference: 0x07,
  ecmaArray: 0x08,
  objectEnd: 0x09,
  strictArray: 0x0a,
  date: 0x0b,
  longString: 0x0c,
  unsupported: 0x0d,
  recordSet: 0x0e,
  xmlDocument: 0x0f,
  typedObject: 0x10,
  avmPlus: 0x11,
} as const;

/**
 * Parses all values of an AMF0 payload, from `start` on.
 *
 * Long strings become strings, `unsupported` becomes undefined, a marker 0x11 switches one value to AMF3. A reference
 * may point to a finished object or array only, so that no value contains itself. Counts of ECMA arrays are ignored.
 * Throws `RtmpError` (`AMF_...`); depth and number of values are limited (`AMF_MAX_DEPTH`, `AMF_MAX_VALUES`).
 */
export const parseAmf0 = (payload: Uint8Array, start = 0): AmfValue[] => {
  const reader = new Amf0Reader(new AmfInput(payload, start));
  return reader.readAll();
};

class Amf0Reader {
  readonly #input: AmfInput;
  readonly #budget = new AmfBudget();
  readonly #complex: { readonly value: AmfValue; readonly cost: number }[] = [];

  constructor(input: AmfInput) {
    this.#input = input;
  }

  readAll(): AmfValue[] {
    const values: AmfValue[] = [];
    while (this.#input.left > 0) values.push(this.#read(0));
    return values;
  }

  #read(depth: number): AmfValue {
    const input = this.#input;
    const offset = input.offset;
    this.#budget.charge(1, offset);
    const marker = input.u8();
    switch (marker) {
      case Marker.number:
        return input.f64();
      case Marker.boolean:
        return input.u8() !== 0;
      case Marker.string:
        return input.text(input.u16());
      case Marker.longString:
        return input.text(input.u32());
      case Marker.xmlDocument:
        return { kind: 'xml', text: input.text(input.u32()) };
      case Marker.null:
        return null;
      case Marker.undefined:
      case Marker.unsupported:
        return undefined;
      case Marker.date: {
        const unixMs = input.f64();
        // The time zone is reserved and not to be used (AMF0 2.13).
        input.skip(2);
        return { kind: 'date', unixMs };
      }
      case Marker.reference:
        return this.#reference(offset);
      case Marker.avmPlus:
        return new Amf3Reader(input, this.#budget).read(depth);
      case Marker.object:
      case Marker.typedObject:
      case Marker.ecmaArray:
      case Marker.strictArray:
        return this.#readComplex(marker, depth + 1, offset);
      default:
        throw new RtmpError('AMF_TYPE_INVALID', offset, `AMF0 marker ${marker}`);
    }
  }

  #reference(offset: number): AmfValue {
    const index = this.#input.u16();
    const target = this.#complex[index];
    if (target === undefined || target.cost === 0) {
      throw new RtmpError('AMF_REFERENCE_INVALID', offset, `reference to ${index}, which is not finished`);
    }
    this.#budget.charge(target.cost, offset);
    return target.value;
  }

  #readComplex(marker: number, depth: number, offset: number): AmfValue {
    this.#budget.enter(depth, offset);
    const index = this.#complex.length;
    this.#complex.push({ value: undefined, cost: 0 });
    const before = this.#budget.values - 1;
    const value = this.#readBody(marker, depth);
    this.#complex[index] = { value, cost: this.#budget.values - before };
    return value;
  }

  #readBody(marker: number, depth: number): AmfValue {
    const input = this.#input;
    switch (marker) {
      case Marker.strictArray: {
        const count = input.u32();
        if (count > input.left)
          throw new RtmpError('AMF_TRUNCATED', input.offset, `${count} elements announced`);
        const values: AmfValue[] = [];
        while (values.length < count) values.push(this.#read(depth));
        return values;
      }
      case Marker.ecmaArray:
        // The count is a hint that several encoders get wrong.
        input.skip(4);
        return { kind: 'ecma-array', values: this.#readProperties(depth, true) };
      case Marker.typedObject: {
        const className = input.text(input.u16());
        return { kind: 'object', className, values: this.#readProperties(depth, false) };
      }
      default:
        return { kind: 'object', values: this.#readProperties(depth, false) };
    }
  }

  /** Properties up to the end marker 00 00 09; some encoders end an array with the message instead. */
  #readProperties(depth: number, canEndWithMessage: boolean): Map<string, AmfValue> {
    const input = this.#input;
    const values = new Map<string, AmfValue>();
    for (;;) {
      if (canEndWithMessage && input.left === 0) return values;
      const key = input.text(input.u16());
      if (key === '' && input.peek() === Marker.objectEnd) {
        input.skip(1);
        return values;
      }
      values.set(key, this.#read(depth));
    }
  }
}

/** The values as AMF0; a byte array goes as AMF3. Nothing is written by reference. */
export const marshalAmf0 = (values: readonly AmfValue[]): Uint8Array => {
  const output = new AmfOutput();
  for (const value of values) write(output, value);
  return output.finish();
};

const write = (output: AmfOutput, value: AmfValue): void => {
  switch (typeof value) {
    case 'number':
      output.u8(Marker.number);
      output.f64(value);
      return;
    case 'boolean':
      output.u8(Marker.boolean);
      output.u8(value ? 1 : 0);
      return;
    case 'string':
      writeString(output, value);
      return;
    case 'undefined':
      output.u8(Marker.undefined);
      return;
    default:
  }
  if (value === null) {
    output.u8(Marker.null);
  } else if (ArrayBuffer.isView(value)) {
    output.u8(Marker.avmPlus);
    writeAmf3(output, value);
  } else if ('length' in value) {
    output.u8(Marker.strictArray);
    output.u32(value.length);
    for (const element of value) write(output, element);
  } else if (value.kind === 'date') {
    output.u8(Marker.date);
    output.f64(value.unixMs);
    output.u16(0);
  } else if (value.kind === 'xml') {
    output.u8(Marker.xmlDocument);
    writeLong(output, value.text);
  } else if (value.kind === 'ecma-array') {
    output.u8(Marker.ecmaArray);
    output.u32(value.values.size);
    writeProperties(output, value.values);
  } else {
    writeObject(output, value);
  }
};

const writeObject = (output: AmfOutput, value: AmfObject): void => {
  if (value.className === undefined) {
    output.u8(Marker.object);
  } else {
    output.u8(Marker.typedObject);
    writeShort(output, value.className);
  }
  writeProperties(output, value.values);
};

const writeProperties = (output: AmfOutput, values: ReadonlyMap<string, AmfValue>): void => {
  for (const [key, value] of values) {
    writeShort(output, key);
    write(output, value);
  }
  output.u16(0);
  output.u8(Marker.objectEnd);
};

const writeString = (output: AmfOutput, value: string): void => {
  const bytes = Buffer.from(value);
  if (bytes.length > 0xffff) {
    output.u8(Marker.longString);
    output.u32(bytes.length);
  } else {
    output.u8(Marker.string);
    output.u16(bytes.length);
  }
  output.bytes(bytes);
};

const writeShort = (output: AmfOutput, value: string): void => {
  const bytes = Buffer.from(value);
  output.u16(bytes.length);
  output.bytes(bytes);
};

const writeLong = (output: AmfOutput, value: string): void => {
  const bytes = Buffer.from(value);
  output.u32(bytes.length);
  output.bytes(bytes);
};
