import { crc32Mpeg } from './crc32.ts';
import { PACKET_BYTES } from './packet-writer.ts';

/** PIDs of the one program. */
export const PID = { PAT: 0, PMT: 0x1000, VIDEO: 0x100, AUDIO: 0x101 } as const;

/** stream_type of ISO/IEC 13818-1 table 2-34. */
export const STREAM_TYPE = { AVC: 0x1b, AAC_ADTS: 0x0f } as const;

/** An elementary stream as the PMT lists it. */
export interface ProgramStream {
  readonly streamType: number;
  readonly pid: number;
}

const PROGRAM_NUMBER = 1;

/** The section of the program association table (2.4.4.3), which names one program (H-17). */
export function programAssociationSection(): Buffer {
  return section(
    0,
    1,
    Buffer.from([PROGRAM_NUMBER >> 8, PROGRAM_NUMBER & 0xff, 0xe0 | (PID.PMT >> 8), PID.PMT & 0xff]),
  );
}

/** The section of the program map table (2.4.4.8). */
export function programMapSection(streams: readonly ProgramStream[], pcrPid: number): Buffer {
  const body = [0xe0 | (pcrPid >> 8), pcrPid & 0xff, 0xf0, 0];
  for (const { streamType, pid } of streams) body.push(streamType, 0xe0 | (pid >> 8), pid & 0xff, 0xf0, 0);
  return section(2, PROGRAM_NUMBER, Buffer.from(body));
}

function section(tableId: number, tableIdExtension: number, body: Buffer): Buffer {
  const length = 5 + body.length + 4;
  const bytes = Buffer.concat([
    Buffer.from([
      tableId,
      0xb0 | (length >> 8),
      length & 0xff,
      tableIdExtension >> 8,
      tableIdExtension & 0xff,
      0xc1, // version 0, current
      0,
      0,
    ]),
    body,
    Buffer.alloc(4),
  ]);
  bytes.writeUInt32BE(crc32Mpeg(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

/** A packet with a whole section, but for its continuity counter. */
export function sectionPacket(pid: number, content: Buffer): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES, 0xff);
  packet.set([0x47, 0x40 | (pid >> 8), pid & 0xff, 0x10, 0]);
  packet.set(content, 5);
  return packet;
}
