import { ParseError } from '../parse-error.ts';

/** A box inside a buffer. */
export interface Box {
  /** Four characters. */
  readonly type: string;
  /** Offset of the first byte after the header. */
  readonly start: number;
  /** Offset after the last byte. */
  readonly end: number;
}

const MAX_BOXES = 1024;

/** Lists the boxes between two offsets; every size is checked against its parent. Throws `ParseError`. */
export function listBoxes(bytes: Buffer, start: number, end: number): Box[] {
  const boxes: Box[] = [];
  for (let at = start; at < end;) {
    const { headerBytes, size } = readBoxHeader(bytes, at, end);
    boxes.push({ type: bytes.toString('latin1', at + 4, at + 8), start: at + headerBytes, end: at + size });
    if (boxes.length > MAX_BOXES) throw new ParseError('too-large', at, `more than ${MAX_BOXES} boxes`);
    at += size;
  }
  return boxes;
}

function readBoxHeader(bytes: Buffer, at: number, end: number): { headerBytes: number; size: number } {
  if (end - at < 8) throw new ParseError('truncated', at, 'a box header needs 8 bytes');
  let size = bytes.readUInt32BE(at);
  let headerBytes = 8;
  if (size === 1) {
    if (end - at < 16) throw new ParseError('truncated', at, 'a large box header needs 16 bytes');
    size = Number(bytes.readBigUInt64BE(at + 8));
    headerBytes = 16;
  }
  if (size < headerBytes || size > end - at) {
    throw new ParseError('invalid', at, `a box of ${size} bytes, its parent has ${end - at} left`);
  }
  return { headerBytes, size };
}

/** Follows a path of box types, the first of each; `undefined` when one is missing. */
export function findBox(bytes: Buffer, within: Box, ...path: readonly string[]): Box | undefined {
  let box: Box | undefined = within;
  for (const type of path) {
    if (box === undefined) return undefined;
    box = listBoxes(bytes, box.start, box.end).find((child) => child.type === type);
  }
  return box;
}

/** Like `findBox`, but a missing box is an error. */
export function requireBox(bytes: Buffer, within: Box, ...path: readonly string[]): Box {
  const box = findBox(bytes, within, ...path);
  if (box === undefined)
    throw new ParseError('invalid', within.start, `${path.join('/')} is missing in ${within.type}`);
  return box;
}

/** Asserts that a box has at least so many bytes of content. */
export function requireBytes(box: Box, count: number): void {
  if (box.end - box.start < count) {
    throw new ParseError(
      'truncated',
      box.start,
      `${box.type} needs ${count} bytes, has ${box.end - box.start}`,
    );
  }
}

/** Marshals a box from its type and its content. */
export function marshalBox(type: string, ...content: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(8), ...content]);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.write(type, 4, 4, 'latin1');
  return bytes;
}

/** Marshals a full box: version and flags, then its content. */
export function marshalFullBox(
  type: string,
  version: number,
  flags: number,
  ...content: readonly Uint8Array[]
): Buffer {
  return marshalBox(type, uint32((version << 24) | flags), ...content);
}

/** 16-bit numbers behind one another. */
export function uint16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

/** 32-bit numbers behind one another; negative ones as two's complement. */
export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
  return bytes;
}

/** The bytes of four-character codes and the like. */
export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
