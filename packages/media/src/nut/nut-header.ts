import { nutCrc } from './crc.ts';
import { MSB_PTS_SHIFT } from './nut-format.ts';
import type { NutAudioTrack, NutVideoTrack } from './nut-writer.ts';
import { varints, writeVarint } from './varint.ts';

type NutTrack = NutVideoTrack | NutAudioTrack;

const FILE_ID = Buffer.from('nut/multimedia container\0', 'latin1');
const START_CODE = {
  main: 0x4e4d_7a56_1f5f_04adn,
  stream: 0x4e53_1140_5bf2_f9dbn,
  syncpoint: 0x4e4b_e4ad_eeca_4569n,
} as const;

const VERSION = 4;
const MINOR_VERSION = 0;
/** No syncpoints but the first. */
const PIPE_MODE = 2;
/** Means little in pipe mode; the largest that demuxers take. */
const MAX_DISTANCE = 65_536;
/** Frames further apart than this need a checksum; all of ours have one. */
const MAX_PTS_DISTANCE = 0;

const FLAG_KEY = 1;
const FLAG_CODED_PTS = 8;
const FLAG_STREAM_ID = 16;
const FLAG_SIZE_MSB = 32;
const FLAG_CHECKSUM = 64;
const FLAG_INVALID = 8192;
const FRAME_FLAGS = FLAG_CODED_PTS | FLAG_STREAM_ID | FLAG_SIZE_MSB | FLAG_CHECKSUM;

const CLASS = { video: 0, audio: 1 } as const;
/** Codec tags: for AAC the two bytes of WAVE's 0x00FF, little-endian. */
const FOURCC = { video: Uint8Array.of(0x48, 0x32, 0x36, 0x34), audio: Uint8Array.of(0xff, 0x00) } as const;
/** Packets larger than this need a checksum of their header. */
const LONG_PACKET_BYTES = 4096;

/** Marshals file id, main header, stream headers and the one syncpoint. Throws `RangeError` for tracks NUT cannot say. */
export function marshalNutHeader(tracks: readonly NutTrack[]): Buffer {
  return Buffer.concat([
    FILE_ID,
    marshalPacket(START_CODE.main, marshalMainHeader(tracks)),
    ...tracks.map((track, index) => marshalPacket(START_CODE.stream, marshalStreamHeader(track, index))),
    // global_key_pts 0 in time base 0, back_ptr_div16 0.
    marshalPacket(START_CODE.syncpoint, varints(0, 0)),
  ]);
}

function marshalPacket(startCode: bigint, content: Uint8Array): Buffer {
  const head = Buffer.alloc(8 + 8);
  head.writeBigUInt64BE(startCode);
  const size = content.length + 4;
  const headBytes = writeVarint(head, 8, size);
  const parts = [head.subarray(0, headBytes), content, checksum(content)];
  if (size > LONG_PACKET_BYTES) parts.splice(1, 0, checksum(head.subarray(0, headBytes)));
  return Buffer.concat(parts);
}

function checksum(bytes: Uint8Array): Buffer {
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(nutCrc(bytes));
  return crc;
}

function marshalMainHeader(tracks: readonly NutTrack[]): Uint8Array {
  for (const { timescale } of tracks) {
    if (!Number.isInteger(timescale) || timescale < 1 || timescale >= 2 ** 31)
      throw new RangeError(`timescale ${timescale}`);
  }
  return Buffer.concat([
    varints(VERSION, MINOR_VERSION, tracks.length, MAX_DISTANCE, tracks.length),
    ...tracks.map(({ timescale }) => varints(1, timescale)),
    // flags, number of fields, then pts_delta, mul, stream, size, reserved, count. Codes 0 and 1 are frames, the others
    // invalid; the one of `N` is not counted.
    frameCodes(FRAME_FLAGS, 1),
    frameCodes(FRAME_FLAGS | FLAG_KEY, 1),
    frameCodes(FLAG_INVALID, 256 - 2 - 1),
    varints(0, PIPE_MODE), // no elision headers, main flags
  ]);
}

function frameCodes(flags: number, count: number): Uint8Array {
  return varints(flags, 6, 0, 1, 0, 0, 0, count);
}

function marshalStreamHeader(track: NutTrack, index: number): Uint8Array {
  const { kind, decoderConfig } = track;
  const fourCc = FOURCC[kind];
  const reorderDepth = kind === 'video' ? track.reorderDepth : 0;
  return Buffer.concat([
    varints(index, CLASS[kind], fourCc.length),
    fourCc,
    // time base, msb_pts_shift, max_pts_distance, decode_delay, stream flags
    varints(index, MSB_PTS_SHIFT, MAX_PTS_DISTANCE, reorderDepth, 0, decoderConfig.length),
    decoderConfig,
    kind === 'video' ? videoFields(track) : varints(track.sampleRate, 1, track.channelCount),
  ]);
}

function videoFields({ width, height, sampleAspectRatio }: NutVideoTrack): Uint8Array {
  // Zeros: aspect ratio unknown, color space unknown.
  return varints(width, height, sampleAspectRatio?.numerator ?? 0, sampleAspectRatio?.denominator ?? 0, 0);
}
