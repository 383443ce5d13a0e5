/** What is wrong with an input, as a closed set. */
export type ParseErrorKind =
  /** The input ends before what it announces. */
  | 'truncated'
  /** A value that the format does not allow. */
  | 'invalid'
  /** Allowed by the format, not understood here. */
  | 'unsupported'
  /** A length or count over the limit that this parser accepts. */
  | 'too-large';

/**
 * Bad input to a parser of this package.
 *
 * `offset` is the byte within the parsed structure at which it was seen. A parser that threw is dead: make a new one.
 */
export class ParseError extends Error {
  override readonly name = 'ParseError';
  readonly kind: ParseErrorKind;
  readonly offset: number;

  constructor(kind: ParseErrorKind, offset: number, message: string) {
    super(`${message} (${kind} at byte ${offset})`);
    this.kind = kind;
    this.offset = offset;
  }
}
