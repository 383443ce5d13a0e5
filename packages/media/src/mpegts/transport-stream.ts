import { audioUnits, videoUnits } from './elementary-streams.ts';
import type { TimedUnit, TsTrack } from './elementary-streams.ts';
import { CONTINUITY_CYCLE, packetCount, PacketWriter } from './packet-writer.ts';
import {
  PID,
  programAssociationSection,
  programMapSection,
  sectionPacket,
  STREAM_TYPE,
} from './program-tables.ts';
import type { ProgramStream } from './program-tables.ts';

/** One segment of one program: video with or without audio, or audio alone. */
export interface TransportStreamInput {
  readonly video?: TsTrack;
  readonly audio?: TsTrack;
  /** True when the stream has audio, whether or not this segment has any: the PMT then lists it in every segment. */
  readonly hasAudio?: boolean;
}

/**
 * Muxes one HLS segment to MPEG-TS (ISO/IEC 13818-1, H-17): PAT and PMT first, PCR with the video, PTS = media time since
 * 1970 in 90 kHz modulo 2^33.
 *
 * The packets of each PID, tables included, are a multiple of 16, so that continuity counters begin at 0 in every segment and
 * go on across segments, whoever made them. A function of its input. Throws `ParseError` for configurations or samples that
 * do not parse, `RangeError` when there is no track.
 */
export function muxTransportStream(input: TransportStreamInput): Buffer {
  const { video, audio } = input;
  if (video === undefined && audio === undefined) throw new RangeError('a transport stream needs a track');
  const units = [
    ...(video === undefined ? [] : videoUnits(video)),
    ...(audio === undefined ? [] : audioUnits(audio, video === undefined)),
  ].sort((a, b) => a.sendAt - b.sendAt || a.unit.pid - b.unit.pid);
  const streams: ProgramStream[] = [];
  if (video !== undefined) streams.push({ streamType: STREAM_TYPE.AVC, pid: PID.VIDEO });
  if (audio !== undefined || input.hasAudio === true)
    streams.push({ streamType: STREAM_TYPE.AAC_ADTS, pid: PID.AUDIO });
  const pat = sectionPacket(PID.PAT, programAssociationSection());
  const pmt = sectionPacket(PID.PMT, programMapSection(streams, video === undefined ? PID.AUDIO : PID.VIDEO));
  const counts = paddedCounts(units);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const writer = new PacketWriter(total + 2 * CONTINUITY_CYCLE);
  let tables = 0;
  // Spread evenly, so that a receiver can join anywhere.
  const writeTablesUpTo = (wanted: number): void => {
    for (; tables < wanted; tables += 1) {
      writer.writePacket(PID.PAT, pat);
      writer.writePacket(PID.PMT, pmt);
    }
  };
  for (const [index, { unit }] of units.entries()) {
    writeTablesUpTo(1 + Math.floor((index * (CONTINUITY_CYCLE - 1)) / units.length));
    writer.writeUnit(unit, counts[index] ?? 0);
  }
  writeTablesUpTo(CONTINUITY_CYCLE);
  return writer.finish();
}

/**
 * Packets for each unit; the last units of a PID take more than they need until its packets are a multiple of 16. Each packet
 * needs a byte, so a short unit takes what it can and leaves the rest to the one before it.
 */
function paddedCounts(units: readonly TimedUnit[]): number[] {
  const counts = units.map(({ unit }) => packetCount(unit));
  for (const pid of [PID.VIDEO, PID.AUDIO]) {
    let total = 0;
    for (const [index, { unit }] of units.entries()) if (unit.pid === pid) total += counts[index] ?? 0;
    let missing = (CONTINUITY_CYCLE - (total % CONTINUITY_CYCLE)) % CONTINUITY_CYCLE;
    for (let index = units.length - 1; index >= 0 && missing > 0; index -= 1) {
      const unit = units[index]?.unit;
      const count = counts[index];
      if (unit?.pid !== pid || count === undefined) continue;
      const added = Math.min(missing, unit.sizeBytes - count);
      counts[index] = count + added;
      missing -= added;
    }
  }
  return counts;
}
