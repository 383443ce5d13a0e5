import { marshalBox, marshalFullBox } from './box.ts';

/** What an init segment says of its video track. */
export interface VideoInit {
  readonly kind: 'video';
  readonly trackId: number;
  readonly timescale: number;
  /** AVCDecoderConfigurationRecord. */
  readonly decoderConfig: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Sample aspect ratio; absent means square. */
  readonly sampleAspectRatio?: { readonly numerator: number; readonly denominator: number };
}

/** What an init segment says of its audio track. */
export interface AudioInit {
  readonly kind: 'audio';
  readonly trackId: number;
  readonly timescale: number;
  /** AudioSpecificConfig. */
  readonly decoderConfig: Uint8Array;
  readonly sampleRate: number;
  readonly channelCount: number;
}

const IDENTITY_MATRIX = uint32(0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000);
const LANGUAGE_UNDETERMINED = 0x55c4;

/**
 * Marshals a CMAF header for one track: zero sample counts, zero durations, `mvex` (H-18).
 */
export function marshalInitSegment(track: VideoInit | AudioInit): Buffer {
  const ftyp = marshalBox(
    'ftyp',
    latin1('iso6'),
    uint32(0),
    latin1('iso6cmfc'),
    latin1(track.kind === 'video' ? 'avc1' : 'mp41'),
  );
  const mvhd = marshalFullBox(
    'mvhd',
    0,
    0,
    uint32(0, 0, track.timescale, 0, 0x1_0000),
    uint16(0x0100, 0),
    uint32(0, 0),
    IDENTITY_MATRIX,
    uint32(0, 0, 0, 0, 0, 0, track.trackId + 1),
  );
  const mvex = marshalBox('mvex', marshalFullBox('trex', 0, 0, uint32(track.trackId, 1, 0, 0, 0)));
  return Buffer.concat([ftyp, marshalBox('moov', mvhd, marshalTrack(track), mvex)]);
}

function marshalTrack(track: VideoInit | AudioInit): Buffer {
  const isVideo = track.kind === 'video';
  const size = isVideo ? uint32(track.width * 0x1_0000, track.height * 0x1_0000) : uint32(0, 0);
  const tkhd = marshalFullBox(
    'tkhd',
    0,
    7,
    uint32(0, 0, track.trackId, 0, 0, 0, 0),
    uint16(0, 0, isVideo ? 0 : 0x0100, 0),
    IDENTITY_MATRIX,
    size,
  );
  const mdhd = marshalFullBox(
    'mdhd',
    0,
    0,
    uint32(0, 0, track.timescale, 0),
    uint16(LANGUAGE_UNDETERMINED, 0),
  );
  const hdlr = marshalFullBox(
    'hdlr',
    0,
    0,
    uint32(0),
    latin1(isVideo ? 'vide' : 'soun'),
    uint32(0, 0, 0),
    latin1('\0'),
  );
  const mediaHeader = isVideo
    ? marshalFullBox('vmhd', 0, 1, uint16(0, 0, 0, 0))
    : marshalFullBox('smhd', 0, 0, uint16(0, 0));
  const dinf = marshalBox('dinf', marshalFullBox('dref', 0, 0, uint32(1), marshalFullBox('url ', 0, 1)));
  const stbl = marshalBox(
    'stbl',
    marshalFullBox('stsd', 0, 0, uint32(1), isVideo ? marshalAvc1(track) : marshalMp4a(track)),
    marshalFullBox('stts', 0, 0, uint32(0)),
    marshalFullBox('stsc', 0, 0, uint32(0)),
    marshalFullBox('stsz', 0, 0, uint32(0, 0)),
    marshalFullBox('stco', 0, 0, uint32(0)),
  );
  const mdia = marshalBox('mdia', mdhd, hdlr, marshalBox('minf', mediaHeader, dinf, stbl));
  return marshalBox('trak', tkhd, mdia);
}

function marshalAvc1(track: VideoInit): Buffer {
  const aspect = track.sampleAspectRatio;
  const boxes = [marshalBox('avcC', track.decoderConfig)];
  if (aspect !== undefined) boxes.push(marshalBox('pasp', uint32(aspect.numerator, aspect.denominator)));
  return marshalBox(
    'avc1',
    uint16(0, 0, 0, 1, 0, 0),
    uint32(0, 0, 0),
    uint16(track.width, track.height),
    uint32(0x48_0000, 0x48_0000, 0),
    uint16(1),
    Buffer.alloc(32),
    uint16(24, 0xffff),
    ...boxes,
  );
}

function marshalMp4a(track: AudioInit): Buffer {
  const rate = track.sampleRate < 0x1_0000 ? track.sampleRate * 0x1_0000 : 0;
  return marshalBox(
    'mp4a',
    uint16(0, 0, 0, 1),
    uint32(0, 0),
    uint16(track.channelCount, 16, 0, 0),
    uint32(rate),
    marshalFullBox('esds', 0, 0, marshalEsds(track.decoderConfig)),
  );
}

/** ES_Descriptor with DecoderConfig (MPEG-4 audio), DecoderSpecificInfo and SLConfig, ISO/IEC 14496-1. */
function marshalEsds(decoderConfig: Uint8Array): Buffer {
  const info = descriptor(5, decoderConfig);
  const config = descriptor(4, Buffer.from([0x40, 0x15, 0, 0, 0]), uint32(0, 0), info);
  return descriptor(3, uint16(0), Buffer.from([0]), config, descriptor(6, Buffer.from([2])));
}

function descriptor(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length > 127) throw new RangeError(`a descriptor of ${body.length} bytes`);
  return Buffer.concat([Buffer.from([tag, body.length]), body]);
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function uint16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
  return bytes;
}
