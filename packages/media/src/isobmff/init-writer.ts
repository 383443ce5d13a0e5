import { marshalEsDescriptor } from '../codecs/aac/es-descriptor.ts';
import { latin1, marshalBox, marshalFullBox, uint16, uint32 } from './box.ts';
import type { AudioInit, VideoInit } from './track.ts';

const IDENTITY_MATRIX = uint32(0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000);
const LANGUAGE_UNDETERMINED = 0x55c4;
const FULL_VOLUME = 0x0100;
const DPI_72 = 0x48_0000;
const MPEG4_AUDIO = 0x40;

/**
 * Marshals a CMAF header for one track: `ftyp` with iso6 and cmfc, zero sample counts and durations, `mvex` (H-18).
 *
 * Equal tracks give equal bytes.
 */
export function marshalInitSegment(track: VideoInit | AudioInit): Buffer {
  const ftyp = marshalBox('ftyp', latin1('iso6'), uint32(0), latin1('iso6cmfcmp41'));
  const mvhd = marshalFullBox(
    'mvhd',
    0,
    0,
    uint32(0, 0, track.timescale, 0, 0x1_0000),
    uint16(FULL_VOLUME, 0),
    uint32(0, 0),
    IDENTITY_MATRIX,
    uint32(0, 0, 0, 0, 0, 0, track.trackId + 1),
  );
  const mvex = marshalBox('mvex', marshalFullBox('trex', 0, 0, uint32(track.trackId, 1, 0, 0, 0)));
  return Buffer.concat([ftyp, marshalBox('moov', mvhd, marshalTrack(track), mvex)]);
}

function marshalTrack(track: VideoInit | AudioInit): Buffer {
  const isVideo = track.kind === 'video';
  const tkhd = marshalFullBox(
    'tkhd',
    0,
    7, // enabled, in movie, in preview
    uint32(0, 0, track.trackId, 0, 0, 0, 0),
    uint16(0, 0, isVideo ? 0 : FULL_VOLUME, 0),
    IDENTITY_MATRIX,
    isVideo ? displaySize(track) : uint32(0, 0),
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
  return marshalBox(
    'trak',
    tkhd,
    marshalBox('mdia', mdhd, hdlr, marshalBox('minf', mediaHeader, dinf, stbl)),
  );
}

/** 16.16 numbers: the width as shown, the aspect ratio of the samples applied. */
function displaySize({ width, height, sampleAspectRatio }: VideoInit): Buffer {
  const shownWidth = sampleAspectRatio
    ? (width * sampleAspectRatio.numerator) / sampleAspectRatio.denominator
    : width;
  return uint32(Math.min(Math.round(shownWidth * 0x1_0000), 0xffff_ffff), height * 0x1_0000);
}

function marshalAvc1({ width, height, decoderConfig, sampleAspectRatio, color }: VideoInit): Buffer {
  const boxes = [marshalBox('avcC', decoderConfig)];
  if (color !== undefined) {
    const { primaries, transfer, matrix, isFullRange } = color;
    const points = uint16(primaries, transfer, matrix);
    boxes.push(marshalBox('colr', latin1('nclx'), points, Uint8Array.of(isFullRange ? 0x80 : 0)));
  }
  if (sampleAspectRatio !== undefined) {
    boxes.push(marshalBox('pasp', uint32(sampleAspectRatio.numerator, sampleAspectRatio.denominator)));
  }
  return marshalBox(
    'avc1',
    uint16(0, 0, 0, 1, 0, 0),
    uint32(0, 0, 0),
    uint16(width, height),
    uint32(DPI_72, DPI_72, 0),
    uint16(1),
    Buffer.alloc(32), // compressorname
    uint16(24, 0xffff), // depth, pre_defined
    ...boxes,
  );
}

function marshalMp4a({ sampleRate, channelCount, decoderConfig }: AudioInit): Buffer {
  const descriptor = marshalEsDescriptor({
    esId: 0, // ISO/IEC 14496-14: the track id says which it is
    objectTypeIndication: MPEG4_AUDIO,
    bufferSizeBytes: 0,
    maxBitrateBps: 0,
    averageBitrateBps: 0,
    decoderSpecificInfo: decoderConfig,
  });
  return marshalBox(
    'mp4a',
    uint16(0, 0, 0, 1),
    uint32(0, 0),
    uint16(channelCount, 16, 0, 0),
    // 16.16: rates that do not fit stand in AudioSpecificConfig alone.
    uint32(sampleRate < 0x1_0000 ? sampleRate * 0x1_0000 : 0),
    marshalFullBox('esds', 0, 0, descriptor),
  );
}
