import { ByteReader } from '../byte-reader.ts';
import { ParseError } from '../parse-error.ts';
import { codecName, EX_VIDEO_PACKET, openExHeader } from './ex-header.ts';

/** What the body of an FLV video tag holds, as it comes in an RTMP video message. Bytes are slices. */
export type VideoTag =
  /** `config`: AVCDecoderConfigurationRecord, not yet looked into. */
  | { readonly kind: 'configuration'; readonly config: Uint8Array }
  | VideoFrameTag
  /** A message without a picture in it. */
  | { readonly kind: 'empty' }
  /** End of sequence. */
  | { readonly kind: 'end' }
  /** Information or command frame, metadata, or another track than the first: no picture for us. */
  | { readonly kind: 'ignored' }
  /** A codec that is not taken; `codec` as people call it. */
  | { readonly kind: 'unsupported'; readonly codec: string };

/** One coded picture. */
export interface VideoFrameTag {
  readonly kind: 'frame';
  /** What the tag says; an encoder may be wrong about it. */
  readonly isKeyframe: boolean;
  /** Composition time minus decode time in ms, 24 bits, may be negative. */
  readonly compositionOffsetMs: number;
  /** Length-prefixed NAL units. */
  readonly data: Uint8Array;
}

const CODEC_NAMES: Readonly<Record<number, string>> = {
  2: 'Sorenson H.263',
  3: 'Screen video',
  4: 'VP6',
  5: 'VP6 with alpha',
  6: 'Screen video 2',
  // As some encoders write them without Enhanced RTMP.
  12: 'HEVC',
  13: 'AV1',
};
const AVC = 7;
const KEYFRAME = 1;
const COMMAND_FRAME = 5;
const EX_HEADER = 0x80;
const AVC_PACKET = { configuration: 0, frame: 1, end: 2 } as const;

/** Parses an FLV video tag body (FLV 10.1 E.4.3, Enhanced RTMP v2). Throws `ParseError`. */
export function parseVideoTag(body: Uint8Array): VideoTag {
  const first = body[0];
  if (first === undefined) return { kind: 'empty' };
  if ((first & EX_HEADER) !== 0) return parseExVideo(body);
  const frameType = first >> 4;
  const codec = first & 0x0f;
  if (frameType === COMMAND_FRAME) return { kind: 'ignored' };
  if (codec !== AVC) return { kind: 'unsupported', codec: CODEC_NAMES[codec] ?? `video codec ${codec}` };
  const reader = new ByteReader(body, 1);
  const packetType = reader.u8();
  const compositionOffsetMs = reader.i24();
  switch (packetType) {
    case AVC_PACKET.configuration:
      return { kind: 'configuration', config: reader.rest() };
    case AVC_PACKET.frame:
      return frame(reader.rest(), frameType, compositionOffsetMs);
    case AVC_PACKET.end:
      return { kind: 'end' };
    default:
      throw new ParseError('invalid', 1, `AVC packet type ${packetType}`);
  }
}

function parseExVideo(body: Uint8Array): VideoTag {
  const frameType = ((body[0] ?? 0) >> 4) & 7;
  // A command frame has a command and no fourCC, and what metadata would say is in the SPS too.
  if (frameType === COMMAND_FRAME) return { kind: 'ignored' };
  const header = openExHeader(body, EX_VIDEO_PACKET);
  if (header === undefined) return { kind: 'ignored' };
  const { packetType, codec, reader } = header;
  if (codec !== 'avc1') return { kind: 'unsupported', codec: codecName(codec) };
  switch (packetType) {
    case EX_VIDEO_PACKET.configuration:
      return { kind: 'configuration', config: reader.rest() };
    case EX_VIDEO_PACKET.frames: {
      const compositionOffsetMs = reader.i24();
      return frame(reader.rest(), frameType, compositionOffsetMs);
    }
    case EX_VIDEO_PACKET.framesX:
      return frame(reader.rest(), frameType, 0);
    case EX_VIDEO_PACKET.end:
      return { kind: 'end' };
    case EX_VIDEO_PACKET.metadata:
      return { kind: 'ignored' };
    default:
      throw new ParseError('unsupported', 0, `video packet type ${packetType}`);
  }
}

function frame(data: Uint8Array, frameType: number, compositionOffsetMs: number): VideoTag {
  if (data.length === 0) return { kind: 'empty' };
  return { kind: 'frame', isKeyframe: frameType === KEYFRAME, compositionOffsetMs, data };
}

/** Marshals a video tag body in the classic form. Throws `RangeError` for an offset over 24 bits. */
export function marshalVideoTag(tag: Extract<VideoTag, { kind: 'configuration' | 'frame' | 'end' }>): Buffer {
  switch (tag.kind) {
    case 'configuration':
      return avcTag(true, AVC_PACKET.configuration, 0, tag.config);
    case 'frame':
      return avcTag(tag.isKeyframe, AVC_PACKET.frame, tag.compositionOffsetMs, tag.data);
    case 'end':
      return avcTag(true, AVC_PACKET.end, 0, new Uint8Array(0));
  }
}

function avcTag(
  isKeyframe: boolean,
  packetType: number,
  compositionOffsetMs: number,
  data: Uint8Array,
): Buffer {
  const bytes = Buffer.allocUnsafe(5 + data.length);
  bytes[0] = ((isKeyframe ? KEYFRAME : 2) << 4) | AVC;
  bytes[1] = packetType;
  bytes.writeIntBE(compositionOffsetMs, 2, 3);
  bytes.set(data, 5);
  return bytes;
}
