import { FRAMES_PER_PES } from './elementary-streams.ts';
import { CONTINUITY_CYCLE } from './packet-writer.ts';

const PACKET_BITS = 188 * 8;
const PAYLOAD_BITS = 184 * 8;
/** PES header with both timestamps, access unit delimiter, and the adaptation field of a clock reference. */
const PICTURE_HEADER_BITS = (19 + 6 + 8) * 8;
/** PES header with one timestamp, and the adaptation field of a clock reference, which audio alone has. */
const AUDIO_PES_HEADER_BITS = (14 + 8) * 8;
const ADTS_HEADER_BITS = 7 * 8;

/** An elementary stream: its rate, and its pictures or AAC frames in a second. */
export interface ElementaryRate {
  readonly kind: 'video' | 'audio';
  readonly bps: number;
  readonly unitsPerSecond: number;
}

/**
 * The rate that `muxTransportStream` makes of some elementary streams in segments of so many seconds, in bits per second (M-1).
 *
 * `most` has what stuffing can come to at most: a packet for each PES packet, 15 for each PID of a segment. `mean` has half.
 */
export function transportRateBps(
  streams: readonly ElementaryRate[],
  segmentSeconds: number,
  stuffing: 'most' | 'mean',
): number {
  const share = stuffing === 'most' ? 1 : 0.5;
  const tablePackets = 2 * CONTINUITY_CYCLE;
  const paddingPackets = streams.length * (CONTINUITY_CYCLE - 1) * share;
  const perSegmentBps = ((tablePackets + paddingPackets) * PACKET_BITS) / segmentSeconds;
  return Math.ceil(streams.reduce((sum, stream) => sum + packetizedBps(stream, share), perSegmentBps));
}

function packetizedBps({ kind, bps, unitsPerSecond }: ElementaryRate, stuffedShare: number): number {
  const isVideo = kind === 'video';
  const pesPerSecond = isVideo ? unitsPerSecond : unitsPerSecond / FRAMES_PER_PES;
  const headerBps = isVideo
    ? pesPerSecond * PICTURE_HEADER_BITS
    : pesPerSecond * AUDIO_PES_HEADER_BITS + unitsPerSecond * ADTS_HEADER_BITS;
  return ((bps + headerBps) / PAYLOAD_BITS + pesPerSecond * stuffedShare) * PACKET_BITS;
}
