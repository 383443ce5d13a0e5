import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Parser } from 'm3u8-parser';
import { PROPERTY } from '../testdata/fuzz.ts';
import { marshalMediaPlaylist } from './media-playlist.ts';

/** What m3u8-parser makes of a media playlist, as far as it is looked at here. */
interface ReadPlaylist {
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
  readonly targetDuration: number;
  readonly endList?: boolean;
  readonly segments: readonly {
    readonly uri: string;
    readonly duration: number;
    readonly dateTimeObject?: Date;
    readonly timeline: number;
    readonly map?: { readonly uri: string };
  }[];
}

const segments = fc.array(
  fc.record({
    durationTicks: fc.integer({ min: 1, max: 360_000 }),
    isGap: fc.boolean(),
    opensPeriod: fc.boolean(),
    isMapped: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
);

test('what is written is what a parser that is not ours reads', () => {
  fc.assert(
    fc.property(
      segments,
      fc.nat({ max: 2 ** 40 }),
      fc.nat({ max: 1e6 }),
      fc.boolean(),
      (rows, msn, dsn, isEnded) => {
        let period = 0;
        const input = rows.map((row, index) => {
          if (row.opensPeriod) period += 1;
          return {
            uri: `${msn + index}.m4s`,
            durationTicks: row.durationTicks,
            timescale: 90_000,
            programDateTimeMs: 1_790_000_000_123 + index * 2000,
            hasDiscontinuity: row.opensPeriod,
            isGap: row.isGap,
            ...(row.isMapped ? { mapUri: `init-${period}.mp4` } : {}),
          };
        });
        const parser = new Parser();
        parser.push(
          marshalMediaPlaylist({
            container: 'fmp4',
            targetDurationSeconds: 4,
            mediaSequence: msn,
            discontinuitySequence: dsn,
            isEnded,
            segments: input,
          }),
        );
        parser.end();
        const manifest = parser.manifest as unknown as ReadPlaylist;
        expect(manifest.mediaSequence).toBe(msn);
        expect(manifest.discontinuitySequence).toBe(dsn);
        expect(manifest.targetDuration).toBe(4);
        expect(manifest.endList ?? false).toBe(isEnded);
        expect(manifest.segments.map(({ uri }) => uri)).toEqual(input.map(({ uri }) => uri));
        expect(manifest.segments.map(({ duration }) => duration)).toEqual(
          rows.map(({ durationTicks }) => Number((durationTicks / 90_000).toFixed(6))),
        );
        expect(manifest.segments.map(({ dateTimeObject }) => dateTimeObject?.getTime())).toEqual(
          input.map(({ programDateTimeMs }) => programDateTimeMs),
        );
        let timeline = dsn;
        expect(manifest.segments.map((segment) => segment.timeline)).toEqual(
          rows.map(({ opensPeriod }) => (opensPeriod ? (timeline += 1) : timeline)),
        );
        let map: string | undefined;
        expect(manifest.segments.map((segment) => segment.map?.uri)).toEqual(
          input.map(({ mapUri }) => (map = mapUri ?? map)),
        );
      },
    ),
    PROPERTY,
  );
});
