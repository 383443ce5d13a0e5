/** A dynamic object, or one of a class that the sender named. */
export interface AmfObject {
  readonly kind: 'object';
  readonly className?: string;
  readonly values: ReadonlyMap<string, AmfValue>;
}

/** An array with string keys; what most encoders send as onMetaData. */
export interface AmfEcmaArray {
  readonly kind: 'ecma-array';
  readonly values: ReadonlyMap<string, AmfValue>;
}

/** A point in time. */
export interface AmfDate {
  readonly kind: 'date';
  readonly unixMs: number;
}

/** An XML document, unparsed. */
export interface AmfXml {
  readonly kind: 'xml';
  readonly text: string;
}

/** Any value that AMF0 or AMF3 can carry; a byte array exists in AMF3 only. */
export type AmfValue =
  | number
  | string
  | boolean
  | null
  | undefined
  | AmfObject
  | AmfEcmaArray
  | AmfDate
  | AmfXml
  | Uint8Array
  | readonly AmfValue[];

/** An object of the given properties. */
export const amfObject = (properties: Readonly<Record<string, AmfValue>>): AmfObject => ({
  kind: 'object',
  values: new Map(Object.entries(properties)),
});

const NO_VALUES: ReadonlyMap<string, AmfValue> = new Map();

/** The properties of an object or ECMA array; none when it is any other value. */
export const amfProperties = (value: AmfValue): ReadonlyMap<string, AmfValue> =>
  typeof value === 'object' && value !== null && 'values' in value && value.values instanceof Map
    ? value.values
    : NO_VALUES;
