// What RFC 3986 lets a URI consist of; anything else would have to be percent-encoded first.
const URI = /^[A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=%]+$/;

/**
 * A URI on a line of its own.
 *
 * Throws `RangeError` for an empty one and for characters that a URI does not have: a line break there would be a line of
 * the playlist, and a `#` in front a comment.
 */
export function uriLine(uri: string): string {
  if (!URI.test(uri)) throw new RangeError(`${JSON.stringify(uri)} cannot be a URI line of a playlist`);
  return uri;
}
