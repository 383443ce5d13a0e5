import { parseAmf0 } from '../amf/amf0.ts';
import { type AmfValue, amfProperties } from '../amf/amf-value.ts';
import { isRtmpError } from '../rtmp-error.ts';

/** A data message: onMetaData with its properties, something else, or no AMF at all. */
export type DataMessage =
  | { readonly kind: 'metadata'; readonly values: ReadonlyMap<string, AmfValue> }
  | { readonly kind: 'other' }
  | { readonly kind: 'malformed' };

/**
 * Looks for onMetaData, with or without `@setDataFrame` around it.
 *
 * Never throws: metadata is advisory, and FFmpeg sends time codes as 4 bytes that are no AMF (srs#3803). The properties are
 * empty when there is a string in their place (srs#186).
 */
export const parseDataMessage = (payload: Uint8Array, start: number): DataMessage => {
  let values: AmfValue[];
  try {
    values = parseAmf0(payload, start);
  } catch (error) {
    if (isRtmpError(error)) return { kind: 'malformed' };
    throw error;
  }
  const name = values[0] === '@setDataFrame' ? values[1] : values[0];
  if (typeof name !== 'string') return { kind: 'malformed' };
  if (name !== 'onMetaData') return { kind: 'other' };
  const properties = values.map(amfProperties).find((candidate) => candidate.size > 0);
  return { kind: 'metadata', values: properties ?? new Map<string, AmfValue>() };
};
