import { RtmpError } from '../rtmp-error.ts';
import { AmfInput } from './amf-input.ts';
import { AmfBudget } from './amf-limits.ts';
import type { AmfValue } from './amf-value.ts';
import { Amf3Marker as Marker } from './amf3-marker.ts';

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
