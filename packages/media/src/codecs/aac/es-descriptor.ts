import { ByteReader } from '../../byte-reader.ts';
import { ParseError } from '../../parse-error.ts';

/** What an MPEG-4 ES_Descriptor (ISO/IEC 14496-1 7.2.6.5) says of an AAC track; the content of `esds` after version and flags. */
export interface EsDescriptor {
  readonly esId: number;
  /** 0x40 for MPEG-4 audio. */
  readonly objectTypeIndication: number;
  readonly bufferSizeBytes: number;
  readonly maxBitrateBps: number;
  readonly averageBitrateBps: number;
  /** `AudioSpecificConfig`. */
  readonly decoderSpecificInfo: Uint8Array;
}

const ES_TAG = 3;
const DECODER_CONFIG_TAG = 4;
const DECODER_SPECIFIC_INFO_TAG = 5;
const SL_CONFIG_TAG = 6;
const AUDIO_STREAM = 0x15; // streamType 5, upStream 0, reserved 1

/** Parses the descriptor. Throws `ParseError`. */
export function parseEsDescriptor(bytes: Uint8Array): EsDescriptor {
  const es = openDescriptor(new ByteReader(bytes), ES_TAG);
  const esId = es.u16();
  const flags = es.u8();
  if ((flags & 0x80) !== 0) es.skip(2); // dependsOn_ES_ID
  if ((flags & 0x40) !== 0) es.skip(es.u8()); // URL
  if ((flags & 0x20) !== 0) es.skip(2); // OCR_ES_Id
  const config = openDescriptor(es, DECODER_CONFIG_TAG);
  const objectTypeIndication = config.u8();
  config.skip(1); // streamType, upStream
  const bufferSizeBytes = config.u24();
  const maxBitrateBps = config.u32();
  const averageBitrateBps = config.u32();
  const decoderSpecificInfo = openDescriptor(config, DECODER_SPECIFIC_INFO_TAG).rest();
  return {
    esId,
    objectTypeIndication,
    bufferSizeBytes,
    maxBitrateBps,
    averageBitrateBps,
    decoderSpecificInfo,
  };
}

/** Checks the tag and returns a reader for the content; the outer reader goes on behind it. */
function openDescriptor(reader: ByteReader, tag: number): ByteReader {
  const found = reader.u8();
  if (found !== tag)
    throw new ParseError('invalid', reader.offset - 1, `descriptor tag ${found}, expected ${tag}`);
  let size = 0;
  for (let count = 0; ; count += 1) {
    if (count === 4)
      throw new ParseError('invalid', reader.offset, 'a descriptor length of more than 4 bytes');
    const byte = reader.u8();
    size = (size << 7) | (byte & 0x7f);
    if ((byte & 0x80) === 0) break;
  }
  return new ByteReader(reader.bytes(size));
}

/** Marshals the descriptor, with an SLConfigDescriptor for MP4. */
export function marshalEsDescriptor(descriptor: EsDescriptor): Buffer {
  const head = Buffer.alloc(13);
  head[0] = descriptor.objectTypeIndication;
  head[1] = AUDIO_STREAM;
  head.writeUIntBE(descriptor.bufferSizeBytes, 2, 3);
  head.writeUInt32BE(descriptor.maxBitrateBps, 5);
  head.writeUInt32BE(descriptor.averageBitrateBps, 9);
  const info = marshalDescriptor(DECODER_SPECIFIC_INFO_TAG, descriptor.decoderSpecificInfo);
  const esHead = Buffer.alloc(3);
  esHead.writeUInt16BE(descriptor.esId);
  const config = marshalDescriptor(DECODER_CONFIG_TAG, head, info);
  return marshalDescriptor(ES_TAG, esHead, config, marshalDescriptor(SL_CONFIG_TAG, Uint8Array.of(2)));
}

function marshalDescriptor(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length > 0xfff_ffff) throw new RangeError(`a descriptor of ${body.length} bytes`);
  const size = [body.length & 0x7f];
  for (let rest = body.length >>> 7; rest > 0; rest >>>= 7) size.unshift((rest & 0x7f) | 0x80);
  return Buffer.concat([Uint8Array.of(tag, ...size), body]);
}
