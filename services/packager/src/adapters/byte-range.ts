/** What a Range header asks of a body. */
export type RangeOutcome =
  /** Send everything: no range, or one that is to be ignored (several, another unit, malformed; RFC 9110 14.2). */
  | { readonly kind: 'whole' }
  /** Bytes from `start` up to and without `end`. */
  | { readonly kind: 'slice'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' };

const WHOLE: RangeOutcome = { kind: 'whole' };
const RANGE = /^bytes=(\d{0,16})-(\d{0,16})$/;

/** Interprets a Range header for a body of `size` bytes; an end far beyond (`bytes=N-9007199254740991`) means to the end. */
export function parseRange(header: string | undefined, size: number): RangeOutcome {
  if (header === undefined) return WHOLE;
  const match = RANGE.exec(header);
  if (match === null) return WHOLE;
  const [, first = '', last = ''] = match;
  if (first === '') {
    if (last === '') return WHOLE;
    const length = Math.min(Number(last), size);
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'slice', start: size - length, end: size };
  }
  const start = Number(first);
  const end = last === '' ? size : Math.min(Number(last) + 1, size);
  if (last !== '' && Number(last) < start) return WHOLE;
  return start >= size ? { kind: 'unsatisfiable' } : { kind: 'slice', start, end };
}
