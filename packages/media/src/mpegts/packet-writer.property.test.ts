import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY } from '../testdata/fuzz.ts';
import { PACKET_BYTES, packetCount, PacketWriter } from './packet-writer.ts';
import type { PesUnit } from './packet-writer.ts';

const drawnUnit = fc.record({
  pieces: fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 4 }),
  pcr: fc.option(fc.integer({ min: 0, max: 2 ** 33 - 1 })),
  isRandomAccess: fc.boolean(),
  extraPackets: fc.nat({ max: 15 }),
});

test('a unit in any number of packets comes out again, each packet with a byte of it and the next counter', () => {
  fc.assert(
    fc.property(fc.array(drawnUnit, { minLength: 1, maxLength: 5 }), (drawn) => {
      const units = drawn.map(({ pieces, pcr, isRandomAccess, extraPackets }) => {
        const sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0);
        const unit: PesUnit = {
          pid: 0x101,
          pieces,
          sizeBytes,
          isRandomAccess,
          ...(pcr === null ? {} : { pcr }),
        };
        const needed = packetCount(unit);
        return { unit, packets: needed + Math.min(extraPackets, sizeBytes - needed) };
      });
      const total = units.reduce((sum, { packets }) => sum + packets, 0);
      const writer = new PacketWriter(total);
      for (const { unit, packets } of units) writer.writeUnit(unit, packets);
      const bytes = writer.finish();
      expect(bytes.length).toBe(total * PACKET_BYTES);
      const read: { payload: Buffer; pcr: number | null; isRandomAccess: boolean }[] = [];
      for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
        expect((bytes[at + 3] ?? 0) & 0xf).toBe((at / PACKET_BYTES) % 16);
        const adaptation = ((bytes[at + 3] ?? 0) & 0x20) === 0 ? 0 : 1 + (bytes[at + 4] ?? 0);
        const flags = adaptation > 1 ? (bytes[at + 5] ?? 0) : 0;
        const payload = bytes.subarray(at + 4 + adaptation, at + PACKET_BYTES);
        expect(payload.length).toBeGreaterThan(0);
        const pcr =
          (flags & 0x10) === 0 ? null : bytes.readUInt32BE(at + 6) * 2 + ((bytes[at + 10] ?? 0) >> 7);
        const isStart = ((bytes[at + 1] ?? 0) & 0x40) !== 0;
        const before = isStart ? undefined : read.pop();
        if (before === undefined) read.push({ payload, pcr, isRandomAccess: (flags & 0x40) !== 0 });
        else read.push({ ...before, payload: Buffer.concat([before.payload, payload]) });
      }
      expect(read).toEqual(
        drawn.map(({ pieces, pcr, isRandomAccess }) => ({
          payload: Buffer.concat(pieces),
          pcr,
          isRandomAccess,
        })),
      );
    }),
    PROPERTY,
  );
});
