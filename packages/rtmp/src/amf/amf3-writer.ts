import { AmfOutput } from './amf-output.ts';
import type { AmfValue } from './amf-value.ts';
import { Amf3Marker as Marker } from './amf3-marker.ts';

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
