import { describe, expect, it } from '@jest/globals';
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
import type { SentUnit } from './testdata/synthetic-encoder.ts';

const FPS_25 = rational(25, 1);

function audioAndVideo(seconds: number, fromMs = 0): SentUnit[] {
  return interleave(
    pictures({ rate: FPS_25, count: 25 * seconds, fromMs, gop: 50 }),
    frames({ count: Math.round((48_000 * seconds) / 1024), fromMs }),
  );
}

function publishing(): TimelineProbe {
  const probe = new TimelineProbe();
  probe.begin(START_MS, { video: videoConfig(FPS_25), audio: audioConfig() });
  return probe;
}

function expectContinuous(probe: TimelineProbe, count: number): void {
  expect(probe.opened).toHaveLength(1);
  expect(probe.warnings).toEqual([]);
  const video = probe.units('video');
  expect(video).toHaveLength(count);
  expect(video.every(({ dts }, index) => index === 0 || dts - (video[index - 1]?.dts ?? 0) === 3600)).toBe(
    true,
  );
}

describe('jumps: wraps are none', () => {
  it.each([
    ['2^31 ms, where FLV writers wrap', 31],
    ['2^32 ms, where the specification wraps', 32],
    ['2^24 ms, where extended timestamps are forgotten', 24],
  ])('%s', (_, bits) => {
    const probe = publishing();
    probe.send(shifted(audioAndVideo(10), 2 ** bits - 4000, bits));
    expectContinuous(probe, 250);
  });

  it('publications that start just below 2^24 ms and go on above it', () => {
    const probe = publishing();
    probe.send(shifted(audioAndVideo(10), 2 ** 24 - 4000));
    expectContinuous(probe, 250);
  });

  it("ffmpeg's negative decode times: 2147483568, 2147483608, 0, 40, and an end of sequence at 2147483608 after 880", () => {
    const probe = publishing();
    const video = pictures({ rate: FPS_25, count: 25, gop: 50 });
    probe.send(shifted(video, -80, 31));
    expect(probe.units('video')).toHaveLength(25);
    probe.send([
      {
        atMs: 1000,
        unit: {
          kind: 'video',
          timestampMs: 2_147_483_608,
          compositionOffsetMs: 0,
          isRandomAccess: false,
          data: Uint8Array.of(1),
        },
      },
    ]);
    probe.send(shifted(pictures({ rate: FPS_25, count: 25, gop: 50, fromMs: 1000 }), -80, 31));
    expect(probe.opened).toHaveLength(1);
    expect(probe.units('video')).toHaveLength(50);
  });
});

describe('jumps: gaps', () => {
  it('forward, and the wall clock advanced as much: the period goes on, nothing is invented', () => {
    const probe = publishing();
    probe.send(audioAndVideo(4));
    probe.send(audioAndVideo(4, 14_000));
    expect(probe.opened).toHaveLength(1);
    expect([...probe.units('video'), ...probe.units('audio')].filter(({ isFiller }) => isFiller)).toEqual([]);
    const video = probe.units('video');
    expect((video[100]?.dts ?? 0) - (video[99]?.dts ?? 0)).toBe(10_000 * 90 + 3600);
    const audio = probe.units('audio');
    const videoStart = video[100]?.dts ?? 0;
    const resumed = audio.find(({ dts }) => dts / 48_000 > videoStart / 90_000 - 1);
    expect(Math.abs((resumed?.dts ?? 0) / 48_000 - videoStart / 90_000)).toBeLessThan(0.022);
  });

  it.each([
    ['the wall clock did not advance', 14_000, -10_000],
    ['longer than the grace time', 45_000, 0],
  ])('forward, but %s: a period', (_, fromMs, wallMs) => {
    const probe = publishing();
    probe.send(audioAndVideo(4));
    probe.send(audioAndVideo(4, fromMs), START_MS + wallMs);
    expect(probe.opened.map(({ reason }) => reason)).toEqual(['first', 'timestamp-jump']);
  });
});

describe('jumps: a forward step of 5 s at SEG 2 is a gap within 1 s of the wall clock', () => {
  it.each([
    [4100, 1],
    [5900, 1],
    [3900, 2],
    [6100, 2],
  ])('%i ms passed: %i periods', (wallMs, periods) => {
    const probe = publishing();
    probe.send(pictures({ rate: FPS_25, count: 50, gop: 50 }));
    // The last picture was at 1960 ms.
    probe.send(pictures({ rate: FPS_25, count: 5, fromMs: 6960 }), START_MS + wallMs - 5000);
    expect(probe.opened).toHaveLength(periods);
  });
});

describe('jumps: backward', () => {
  it('both tracks restart at 0: one period, one shared correction', () => {
    const probe = publishing();
    probe.send(shifted(audioAndVideo(4), 50_000));
    probe.send(audioAndVideo(4), START_MS + 4000);
    expect(probe.opened.map(({ reason }) => reason)).toEqual(['first', 'timestamp-jump']);
    const start = probe.opened[1]?.startTicks ?? 0;
    const second = probe.units('audio').filter(({ dts }) => dts / 48_000 >= start / 90_000);
    expect((second[0]?.dts ?? 0) / 48_000 - start / 90_000).toBeLessThan(0.022);
    expect(second.filter(({ isFiller }) => isFiller).length).toBeLessThanOrEqual(1);
  });

  it('late audio from before the jump does not reach the new period', () => {
    const probe = publishing();
    probe.send(shifted(audioAndVideo(4), 50_000));
    const after = audioAndVideo(4);
    const late = shifted(frames({ count: 5, fromMs: 4000 }), 50_000).map(({ unit }) => ({ unit, atMs: 0 }));
    probe.send([...after.slice(0, 1), ...late, ...after.slice(1)], START_MS + 4000);
    expect(probe.opened).toHaveLength(2);
    const start = probe.opened[1]?.startTicks ?? 0;
    const second = probe.units('audio').filter(({ dts }) => dts / 48_000 >= start / 90_000);
    expect(second.filter(({ isFiller }) => isFiller).length).toBeLessThanOrEqual(1);
  });

  it('audio alone: video goes on to its next IDR, where the next period begins with the audio beside it', () => {
    const probe = publishing();
    probe.send(shifted(audioAndVideo(5), 50_000));
    const video = shifted(pictures({ rate: FPS_25, count: 100, fromMs: 5000, gop: 50 }), 50_000);
    probe.send(
      interleave(
        video,
        frames({ count: 150, fromMs: 5000 }).map((sent) => ({
          ...sent,
          unit: { ...sent.unit, timestampMs: sent.unit.timestampMs - 5000 },
        })),
      ),
    );
    expect(probe.opened.map(({ reason }) => reason)).toEqual(['first', 'timestamp-jump']);
    expect(probe.units('video').length).toBe(225);
    const last = {
      video: probe.units('video').at(-1)?.dts ?? 0,
      audio: probe.units('audio').at(-1)?.dts ?? 0,
    };
    expect(Math.abs(last.video / 90_000 - last.audio / 48_000)).toBeLessThan(1.1);
  });

  it('small steps back of decode times (NVENC) keep every picture', () => {
    const probe = publishing();
    const units = pictures({ rate: FPS_25, count: 100, gop: 50 }).map(({ unit, atMs }, index) => ({
      atMs,
      unit: index % 10 === 5 ? { ...unit, timestampMs: unit.timestampMs - 41 } : unit,
    }));
    probe.send(units);
    expectContinuous(probe, 100);
  });

  it('duplicates and old frames within a publication are dropped and counted', () => {
    const probe = publishing();
    const units = pictures({ rate: FPS_25, count: 75, gop: 100 });
    probe.send([...units.slice(0, 40), ...units.slice(39, 40), ...units.slice(20, 40), ...units.slice(40)]);
    probe.end(START_MS + 4000);
    expect(probe.opened).toHaveLength(1);
    expect(probe.units('video')).toHaveLength(75);
    expect(probe.warnings).toMatchObject([{ id: 'frames-dropped', count: 21 }]);
  });
});

describe('reconnects', () => {
  it('drop what the publication before has sent already', () => {
    const probe = publishing();
    const units = pictures({ rate: FPS_25, count: 400, gop: 25 });
    probe.send(units.slice(0, 300));
    probe.end(START_MS + 12_000);
    probe.begin(START_MS + 13_000, { video: videoConfig(FPS_25), audio: audioConfig() });
    probe.send(units.slice(250), START_MS + 1000);
    const sent = probe.units('video').filter(({ isFiller }) => !isFiller);
    expect(sent).toHaveLength(400);
    expect(new Set(sent.map(({ data }) => data.join())).size).toBe(400);
  });

  it('an encoder that plays its file from the beginning again is no duplicate', () => {
    const probe = publishing();
    const units = pictures({ rate: FPS_25, count: 300, gop: 25 });
    probe.send(units);
    probe.end(START_MS + 12_000);
    probe.begin(START_MS + 13_000, { video: videoConfig(FPS_25), audio: audioConfig() });
    probe.send(units, START_MS + 13_000);
    expect(probe.units('video').filter(({ isFiller }) => !isFiller)).toHaveLength(600);
  });

  it('a takeover says so', () => {
    const probe = publishing();
    probe.send(audioAndVideo(2));
    probe.events.push(...probe.timeline.beginPublication(START_MS + 2000, 'takeover'));
    probe.timeline.setMetadata({ hasVideo: true, hasAudio: false });
    probe.timeline.configure(videoConfig(FPS_25), START_MS + 2000);
    probe.send(pictures({ rate: FPS_25, count: 5 }), START_MS + 2000);
    probe.events.push(...probe.timeline.tick(START_MS + 2600));
    expect(probe.opened[1]?.reason).toBe('takeover');
  });
});

describe('configurations', () => {
  it('identical repeats do not cut; a changed one does', () => {
    const probe = publishing();
    const units = pictures({ rate: FPS_25, count: 100, gop: 50 });
    probe.send(units.slice(0, 50));
    probe.events.push(...probe.timeline.configure(videoConfig(FPS_25), START_MS + 2000));
    probe.send(units.slice(50, 100));
    expect(probe.opened).toHaveLength(1);
    probe.events.push(...probe.timeline.configure(videoConfig(FPS_25, 2), START_MS + 4000));
    probe.send(pictures({ rate: FPS_25, count: 10, fromMs: 4000 }));
    expect(probe.opened.map(({ reason }) => reason)).toEqual(['first', 'configuration']);
    expect(probe.opened[1]?.tracks[0]?.config.decoderConfig.at(-1)).toBe(2);
  });

  it('changed audio cuts at the next IDR and loses no picture', () => {
    const probe = publishing();
    probe.send(audioAndVideo(3));
    probe.events.push(...probe.timeline.configure(audioConfig(44_100, 2), START_MS + 3000));
    probe.send(
      interleave(
        pictures({ rate: FPS_25, count: 75, fromMs: 3000, gop: 50, isFirstIdr: false }),
        frames({ sampleRate: 44_100, count: 129, fromMs: 3000 }),
      ),
    );
    expect(probe.opened.map(({ reason }) => reason)).toEqual(['first', 'configuration']);
    expect(probe.opened[1]?.tracks[1]?.timescale).toBe(44_100);
    expect(probe.units('video')).toHaveLength(150);
  });

  it("a worker's request opens a period at the next IDR", () => {
    const probe = publishing();
    probe.send(audioAndVideo(3));
    probe.timeline.requestPeriod('worker-request');
    probe.send(audioAndVideo(3, 3000));
    expect(probe.opened.map(({ reason }) => reason)).toEqual(['first', 'worker-request']);
  });
});
