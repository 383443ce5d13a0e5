import type { Ratio } from '../codecs/h264/vui.ts';
import { nutCrc } from './crc.ts';
import { marshalNutHeader } from './nut-header.ts';
import { FRAME_CODE, MSB_PTS_SHIFT } from './nut-format.ts';
import { varintBytes, writeVarint } from './varint.ts';

/** An H.264 track in avcC form: NAL units with lengths. */
export interface NutVideoTrack {
  readonly kind: 'video';
  /** Ticks per second. */
  readonly timescale: number;
  /** `AVCDecoderConfigurationRecord`. */
  readonly decoderConfig: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Sample aspect ratio; absent when it is not known. */
  readonly sampleAspectRatio?: Ratio;
  /** Pictures that are reordered at most (B-frames); 0 when decode order is output order. */
  readonly reorderDepth: number;
}

/** An AAC track: raw_data_blocks. */
export interface NutAudioTrack {
  readonly kind: 'audio';
  /** Ticks per second. */
  readonly timescale: number;
  /** `AudioSpecificConfig`. */
  readonly decoderConfig: Uint8Array;
  readonly sampleRate: number;
  readonly channelCount: number;
}

const CRC_BYTES = 4;

/** One access unit. */
export interface NutFrame {
  /** Index in the tracks that the header was made of. */
  readonly trackIndex: number;
  /** In the track's timescale; not negative. */
  readonly pts: number;
  readonly isKey: boolean;
  readonly data: Uint8Array;
}

/**
 * Writes a NUT stream (version 4, pipe mode) for the standard input of ffmpeg.
 *
 * Each frame carries its stream, its whole pts and its size, so that frames stand on their own: nothing is kept between
 * them, here or there, and there are no syncpoints but the first (ffmpeg never frees the others). NUT has no decode times:
 * frames go in decode order, and the demuxer derives the rest from `reorderDepth`.
 */
export class NutWriter {
  readonly #header: Buffer;
  readonly #trackCount: number;

  /** Throws `RangeError` for a timescale that is not a positive integer under 2^31. */
  constructor(tracks: readonly (NutVideoTrack | NutAudioTrack)[]) {
    this.#header = marshalNutHeader(tracks);
    this.#trackCount = tracks.length;
  }

  /** What comes first: main and stream headers, and the syncpoint that ends them. */
  header(): Buffer {
    return this.#header;
  }

  /** One access unit. Throws `RangeError` for a track that is not there, or a pts that is not a safe, positive integer. */
  frame({ trackIndex, pts, isKey, data }: NutFrame): Buffer {
    if (trackIndex >= this.#trackCount) throw new RangeError(`there is no track ${trackIndex}`);
    const codedPts = pts + (1 << MSB_PTS_SHIFT);
    if (pts < 0 || !Number.isSafeInteger(codedPts))
      throw new RangeError(`pts ${pts} is not a safe, positive integer`);
    const headBytes = 1 + varintBytes(trackIndex) + varintBytes(codedPts) + varintBytes(data.length);
    const bytes = Buffer.allocUnsafe(headBytes + CRC_BYTES + data.length);
    bytes[0] = isKey ? FRAME_CODE.key : FRAME_CODE.nonKey;
    let at = writeVarint(bytes, 1, trackIndex);
    at = writeVarint(bytes, at, codedPts);
    at = writeVarint(bytes, at, data.length);
    at = bytes.writeUInt32BE(nutCrc(bytes, 0, at), at);
    bytes.set(data, at);
    return bytes;
  }
}
