import { describe, expect, it } from '@jest/globals';
import { segmentNumber } from './grid.ts';
import { rational } from './rational.ts';
import {
  audioConfig,
  frames,
  interleave,
  pictures,
  shifted,
  START_MS,
  TimelineProbe,
  videoConfig,
} from './testdata/synthetic-encoder.ts';

const FPS_30 = rational(30, 1);
const TWO = rational(2, 1);
const FIRST_K = Math.ceil(START_MS / 2000);

function published(
  units = interleave(pictures({ rate: FPS_30, count: 150 }), frames({ count: 240 })),
): TimelineProbe {
  const probe = new TimelineProbe();
  probe.begin(START_MS, { video: videoConfig(FPS_30), audio: audioConfig() });
  probe.send(units);
  return probe;
}

describe('anchor', () => {
  it('puts the first IDR on the first grid point at or after its arrival', () => {
    const probe = published();
    expect(probe.opened).toHaveLength(1);
    expect(probe.opened[0]).toMatchObject({
      ordinal: 0,
      firstK: FIRST_K,
      startTicks: FIRST_K * 180_000,
      reason: 'first',
    });
    expect(probe.units('video')[0]).toMatchObject({
      dts: FIRST_K * 180_000,
      compositionOffset: 0,
      isRandomAccess: true,
    });
  });

  it('leaves out pictures before the first IDR, and audio before the first boundary', () => {
    const probe = published(
      interleave(pictures({ rate: FPS_30, count: 90, gop: 30, isFirstIdr: false }), frames({ count: 150 })),
    );
    const start = probe.opened[0]?.startTicks ?? 0;
    expect(probe.units('video')[0]?.dts).toBe(start);
    expect(probe.units('audio')[0]?.dts).toBeGreaterThanOrEqual((start * 8) / 15 - 24);
    expect(probe.units('audio')[0]?.dts).toBeLessThan((start * 8) / 15 + 1024);
  });

  it('never takes the epoch from a sequence header or the first audio: video at 100000, audio at 100020', () => {
    const probe = published(
      shifted(interleave(pictures({ rate: FPS_30, count: 60 }), frames({ count: 90 })), 100_000),
    );
    expect(probe.units('video')[0]?.dts).toBe(FIRST_K * 180_000);
    expect(probe.units('video')).toHaveLength(60);
  });

  it('puts a later period at least two segments behind the last that was begun', () => {
    const probe = published();
    const lastK = probe.timeline.lastK ?? 0;
    probe.end(START_MS + 5000);
    expect(probe.ended).toEqual([{ type: 'period-ended', ordinal: 0, lastK }]);
    probe.begin(START_MS + 5010, { video: videoConfig(FPS_30), audio: audioConfig() });
    probe.send(pictures({ rate: FPS_30, count: 10 }), START_MS + 5010);
    expect(probe.opened[1]).toMatchObject({ ordinal: 1, reason: 'reconnect', firstK: lastK + 2 });
  });

  it('ends a period with the segment of its last picture, whatever audio lies beyond', () => {
    const probe = published(interleave(pictures({ rate: FPS_30, count: 60 }), frames({ count: 96 })));
    probe.end(START_MS + 3000);
    expect(probe.timeline.lastK).toBe(FIRST_K + 1);
    expect(probe.ended).toEqual([{ type: 'period-ended', ordinal: 0, lastK: FIRST_K }]);
  });

  it('goes on where another process stopped', () => {
    const probe = new TimelineProbe({
      resume: {
        lastK: FIRST_K + 10,
        isLastKFinal: true,
        nextOrdinal: 4,
        hasVideo: true,
        hasAudio: false,
        segmentDuration: TWO,
      },
    });
    probe.begin(START_MS, { video: videoConfig(FPS_30), audio: audioConfig() });
    probe.send(pictures({ rate: FPS_30, count: 10 }));
    expect(probe.opened[0]).toMatchObject({ ordinal: 4, firstK: FIRST_K + 12, reason: 'reconnect' });
    expect(probe.opened[0]?.tracks.map(({ config }) => config.kind)).toEqual(['video']);
  });

  it('B-frames: dts is the CMAF decode time, the first IDR has dts = pts, offsets may be negative', () => {
    // IDR P B B: decode 0 40 80 120, presentation 80 200 120 160
    const composition = [80, 160, 40, 40];
    const units = pictures({ rate: rational(25, 1), count: 100, gop: 100 }).map(({ atMs, unit }, index) => ({
      atMs,
      unit: { ...unit, compositionOffsetMs: composition[index % 4] ?? 0 },
    }));
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(rational(25, 1)) });
    probe.send(units);
    const [idr, p, b] = probe.units('video');
    expect(idr).toMatchObject({ dts: FIRST_K * 180_000, compositionOffset: 0 });
    expect(p).toMatchObject({ dts: FIRST_K * 180_000 + 3600, compositionOffset: 7200 });
    expect(b).toMatchObject({ dts: FIRST_K * 180_000 + 7200, compositionOffset: -3600 });
  });
});

describe('segments', () => {
  it('begin before their first unit of any track, each once, with a wall clock that is frozen', () => {
    const probe = published();
    const seen = new Set<number>();
    for (const event of probe.events) {
      if (event.type === 'segment-started') {
        expect(seen.has(event.k)).toBe(false);
        seen.add(event.k);
      } else if (event.type === 'unit') {
        expect(seen.has(segmentNumber(event.dts, event.kind === 'video' ? 90_000 : 48_000, TWO))).toBe(true);
      }
    }
    expect([...seen]).toEqual([FIRST_K, FIRST_K + 1, FIRST_K + 2]);
  });

  it('say at each boundary whether the source can be cut there', () => {
    const met = published(pictures({ rate: FPS_30, count: 121, gop: 60 })).events.filter(
      ({ type }) => type === 'boundary',
    );
    expect(met).toEqual([
      { type: 'boundary', k: FIRST_K + 1, isMet: true, previousBytes: 180 },
      { type: 'boundary', k: FIRST_K + 2, isMet: true, previousBytes: 180 },
    ]);
    const missed = published(pictures({ rate: FPS_30, count: 121, gop: 50 })).events.filter(
      ({ type }) => type === 'boundary',
    );
    expect(missed).toMatchObject([{ isMet: false }, { isMet: false }]);
  });
});

describe('wall clock', () => {
  it('is the lower envelope of arrival - pts: late units do not raise it', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_30) });
    const jittered = pictures({ rate: FPS_30, count: 300 }).map(({ unit, atMs }, index) => ({
      unit,
      atMs: atMs + (index % 10 === 0 ? 0 : 300),
    }));
    probe.send(jittered);
    const offsetUs = (START_MS - FIRST_K * 2000) * 1000;
    expect(probe.segments.map(({ utcOffsetUs }) => utcOffsetUs)).toEqual([
      offsetUs,
      offsetUs,
      offsetUs,
      offsetUs,
      offsetUs,
    ]);
  });

  it('an encoder that falls behind by more than SEG gets a new period at the next IDR', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_30) });
    probe.send(pictures({ rate: FPS_30, count: 300 }));
    // 2.5 s later than before, from one picture to the next, without a jump of its own clock
    probe.send(pictures({ rate: FPS_30, count: 1200, fromMs: 10_000 }), START_MS + 2500);
    expect(probe.opened.map(({ reason }) => reason)).toEqual(['first', 'encoder-late']);
    expect(probe.opened[1]?.firstK).toBe(Math.max((probe.ended[0]?.lastK ?? 0) + 2));
  });

  it('an encoder that runs ahead is only reported, once', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_30) });
    probe.send(pictures({ rate: FPS_30, count: 1800 }), START_MS, 0.5);
    expect(probe.opened).toHaveLength(1);
    expect(probe.warnings.map(({ id }) => id)).toEqual(['clock-fast']);
  });
});
