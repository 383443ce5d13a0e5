import type { Report } from './report.ts';

const PACKET_BYTES = 188;
const SYNC_BYTE = 0x47;
const NULL_PID = 0x1fff;
const PAT_PID = 0;

/** The last continuity counter of each PID with payload, across segments. */
export type ContinuityCounters = Map<number, number>;

/**
 * Holds one MPEG-TS segment to H-17: whole packets, PAT and PMT first, continuity counters that go on from the segment
 * before (`counters` is updated; a discontinuity begins with an empty map).
 */
export function checkTsSegment(
  bytes: Buffer,
  counters: ContinuityCounters,
  where: string,
  report: Report,
): void {
  const isWhole =
    bytes.length > 0 &&
    bytes.length % PACKET_BYTES === 0 &&
    bytes.every((byte, index) => index % PACKET_BYTES !== 0 || byte === SYNC_BYTE);
  if (!report.expect(isWhole, 'H-17', where, 'the segment is not a row of 188-byte packets')) return;
  const pmtPid = checkTables(bytes, where, report);
  let gaps = 0;
  for (let start = 0; start < bytes.length; start += PACKET_BYTES) {
    const pid = bytes.readUInt16BE(start + 1) & NULL_PID;
    const control = bytes.readUInt8(start + 3);
    const hasPayload = (control & 0x10) !== 0;
    if (pid === NULL_PID || !hasPayload) continue;
    const counter = control & 0x0f;
    const before = counters.get(pid);
    if (before !== undefined && counter !== ((before + 1) & 0x0f)) gaps += 1;
    counters.set(pid, counter);
  }
  report.expect(gaps === 0, 'H-17', where, `${gaps} jumps of a continuity counter`);
  report.expect(
    pmtPid !== undefined && [...counters.keys()].some((pid) => pid !== PAT_PID && pid !== pmtPid),
    'H-17',
    where,
    'no elementary stream',
  );
}

function checkTables(bytes: Buffer, where: string, report: Report): number | undefined {
  const pidAt = (start: number): number => bytes.readUInt16BE(start + 1) & NULL_PID;
  if (!report.expect(pidAt(0) === PAT_PID, 'H-17', where, 'the first packet is not a PAT')) return undefined;
  const pointer = bytes.readUInt8(4);
  const section = 5 + pointer;
  const sectionLength = bytes.readUInt16BE(section + 1) & 0x0fff;
  // A program takes 4 bytes, between 5 bytes of head and 4 of CRC.
  const programs = (sectionLength - 9) / 4;
  report.expect(programs === 1, 'H-17', where, `the PAT lists ${programs} programs`);
  const pmtPid = bytes.readUInt16BE(section + 10) & NULL_PID;
  report.expect(
    bytes.length >= 2 * PACKET_BYTES && pidAt(PACKET_BYTES) === pmtPid,
    'H-17',
    where,
    'the second packet is not the PMT',
  );
  return pmtPid;
}
