import { describe, expect, it } from '@jest/globals';
import { rational } from './rational.ts';
import type { Rational } from './rational.ts';
import {
  audioConfig,
  frames,
  interleave,
  pictures,
  START_MS,
  TimelineProbe,
  videoConfig,
} from './testdata/synthetic-encoder.ts';
import type { TimelineUnit } from './timeline-event.ts';

const FPS_25 = rational(25, 1);
const FPS_30 = rational(30, 1);

function steps(units: readonly TimelineUnit[]): number[] {
  return units.slice(1).map(({ dts }, index) => dts - (units[index]?.dts ?? 0));
}

function filler(units: readonly TimelineUnit[]): TimelineUnit[] {
  return units.filter(({ isFiller }) => isFiller);
}

describe('video rate', () => {
  it.each<[string, Rational, readonly number[]]>([
    ['25 fps', FPS_25, [3600]],
    ['29.97 fps', rational(30_000, 1001), [3003]],
    ['59.94 fps', rational(60_000, 1001), [1501, 1502]],
    ['60 fps', rational(60, 1), [1500]],
  ])('%s: millisecond clocks are re-snapped to exact frame times', (_, rate, allowed) => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(rate) });
    probe.send(pictures({ rate, count: 1000 }));
    const units = probe.units('video');
    expect(units).toHaveLength(1000);
    expect([...new Set(steps(units))].toSorted((a, b) => a - b)).toEqual(allowed);
    expect(steps(units)).toEqual(units.slice(0, -1).map(({ duration }) => duration));
  });

  it('is taken from the metadata where there is no VUI, and opens at once', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(), frameRate: 29.97 });
    probe.send(pictures({ rate: FPS_30, count: 1 }));
    expect(probe.opened[0]?.tracks[0]?.frameRate).toEqual(rational(30_000, 1001));
  });

  it('is measured over the first 500 ms where nothing states it', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig() });
    probe.send(pictures({ rate: FPS_25, count: 12 }));
    expect(probe.opened).toEqual([]);
    probe.send(pictures({ rate: FPS_25, count: 10, fromMs: 480, isFirstIdr: false }));
    expect(probe.opened[0]?.tracks[0]?.frameRate).toEqual(FPS_25);
    expect(probe.units('video')).toHaveLength(22);
  });

  it('varies where the first 500 ms are uneven: times are kept, durations follow the next picture', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig() });
    const times = [0, 33, 90, 100, 180, 260, 333, 420, 480, 520, 600];
    probe.send(
      pictures({ rate: FPS_30, count: 11 }).map(({ unit }, index) => ({
        atMs: times[index] ?? 0,
        unit: { ...unit, timestampMs: times[index] ?? 0 },
      })),
    );
    probe.end(START_MS + 700);
    const units = probe.units('video');
    expect(probe.opened[0]?.tracks[0]?.frameRate).toBeUndefined();
    expect(steps(units)).toEqual([33, 57, 10, 80, 80, 73, 87, 60, 40, 80].map((ms) => ms * 90));
    expect(steps(units)).toEqual(units.slice(0, -1).map(({ duration }) => duration));
  });

  it('is left alone where the channel wants variable frame times', () => {
    const probe = new TimelineProbe({ isVariableFrameRate: true });
    probe.begin(START_MS, { video: videoConfig(FPS_30) });
    probe.send(pictures({ rate: FPS_30, count: 4 }));
    expect(probe.opened[0]?.tracks[0]?.frameRate).toBeUndefined();
    expect(steps(probe.units('video'))).toEqual([33 * 90, 34 * 90]);
  });

  it('missing pictures leave holes, uneven clocks do not', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25) });
    const jitter = [0, 12, -14, 9, -8, 0];
    const units = pictures({ rate: FPS_25, count: 60 }).map(({ unit, atMs }, index) => ({
      atMs,
      unit: { ...unit, timestampMs: unit.timestampMs + (jitter[index % 6] ?? 0) },
    }));
    probe.send(units.filter((_, index) => index !== 30 && index !== 31));
    expect(steps(probe.units('video')).filter((step) => step !== 3600)).toEqual([3 * 3600]);
  });

  it('that was stated too low is found out: a period with the measured one, no picture lost but before its IDR', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_30) });
    probe.send(pictures({ rate: rational(60, 1), count: 480, gop: 120 }));
    expect(probe.opened.map(({ tracks }) => tracks[0]?.frameRate)).toEqual([FPS_30, rational(60, 1)]);
    expect(probe.warnings.map(({ id }) => id)).toContain('frame-rate-wrong');
    expect(probe.units('video')).toHaveLength(480);
    expect(Math.min(...steps(probe.units('video')))).toBeGreaterThan(0);
  });

  it('of a camera that is 1000 ppm fast: one picture before an IDR goes, none else', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_30) });
    probe.send(pictures({ rate: rational(30_030, 1000), count: 9000, gop: 60 }));
    probe.end(START_MS + 300_000);
    const units = probe.units('video');
    expect(new Set(steps(units))).toEqual(new Set([3000]));
    expect(9000 - units.length).toBeGreaterThanOrEqual(7);
    expect(9000 - units.length).toBeLessThanOrEqual(9);
  });
});

describe('audio grid', () => {
  it.each([48_000, 44_100, 32_000])('%i Hz: every frame on the exact grid of 1024 samples', (sampleRate) => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25), audio: audioConfig(sampleRate) });
    probe.send(
      interleave(
        pictures({ rate: FPS_25, count: 250 }),
        frames({ sampleRate, count: Math.floor(sampleRate / 102.4) }),
      ),
    );
    const audio = probe.units('audio');
    expect(audio.every(({ dts, duration }) => dts % 1024 === 0 && duration === 1024)).toBe(true);
    expect(new Set(steps(audio))).toEqual(new Set([1024]));
    expect(filler(audio)).toEqual([]);
  });

  it.each([
    ['slow', 1.001, 'repeated'],
    ['fast', 0.999, 'dropped'],
  ])('a sound card that is %s is corrected by whole frames, and counted', (_, factor, word) => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25), audio: audioConfig() });
    const audio = frames({ count: 6000 }).map(({ unit, atMs }) => ({
      atMs: atMs * factor,
      unit: { ...unit, timestampMs: Math.round(atMs * factor) },
    }));
    probe.send(interleave(pictures({ rate: FPS_25, count: 3200 }), audio));
    probe.end(START_MS + 130_000);
    const corrected = probe.warnings.filter(({ id }) => id === 'audio-corrected');
    const total = corrected.reduce((sum, { count }) => sum + (count ?? 0), 0);
    expect(total).toBeGreaterThanOrEqual(3);
    expect(total).toBeLessThanOrEqual(6);
    expect(corrected.every(({ message }) => !message.includes(`0 frames ${word}`))).toBe(true);
    expect(new Set(steps(probe.units('audio').filter(({ dts }) => dts)))).toEqual(new Set([1024]));
  });

  it('an empty message is silence', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { audio: audioConfig() });
    probe.send(
      frames({ count: 3 }).map(({ unit, atMs }) => ({ atMs, unit: { ...unit, data: new Uint8Array() } })),
    );
    expect(probe.units('audio').map(({ data }) => [...data])).toEqual([[0x21], [0x21], [0x21]]);
  });
});

describe('filling', () => {
  it('audio that stops is filled with silence up to a second behind the video, and goes on when it is back', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25), audio: audioConfig() });
    const audio = frames({ count: 470 });
    probe.send(
      interleave(pictures({ rate: FPS_25, count: 250 }), [...audio.slice(0, 100), ...audio.slice(300)]),
    );
    const units = probe.units('audio');
    expect(units).toHaveLength(470);
    expect(new Set(steps(units))).toEqual(new Set([1024]));
    // As many as were lost, and what a second without any audio lets the video run ahead.
    expect(filler(units).length).toBeGreaterThanOrEqual(200);
    expect(filler(units).length).toBeLessThanOrEqual(202);
    expect(filler(units).every(({ data }) => data[0] === 0x21)).toBe(true);
  });

  it('audio that was announced but never comes is silence in the default configuration', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25), hasAudio: true });
    probe.send(pictures({ rate: FPS_25, count: 250 }));
    expect(probe.opened[0]?.tracks[1]?.config.decoderConfig.at(-1)).toBe(0);
    const audio = probe.units('audio');
    expect(audio.every(({ isFiller }) => isFiller)).toBe(true);
    const lag = (probe.units('video').at(-1)?.dts ?? 0) / 90_000 - (audio.at(-1)?.dts ?? 0) / 48_000;
    expect(lag).toBeLessThan(0.05);
  });

  it('audio that comes late in its announced configuration joins the period', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25), audio: audioConfig() });
    probe.send(interleave(pictures({ rate: FPS_25, count: 250 }), frames({ count: 200, fromMs: 5000 })));
    expect(probe.opened).toHaveLength(1);
    const audio = probe.units('audio');
    expect(new Set(steps(audio))).toEqual(new Set([1024]));
    expect(audio.filter(({ isFiller }) => !isFiller).length).toBeGreaterThan(195);
  });

  it('audio whose clock has nothing to do with the video is put beside it by arrival', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25), audio: audioConfig() });
    const audio = frames({ count: 200 }).map(({ unit, atMs }) => ({
      atMs,
      unit: { ...unit, timestampMs: unit.timestampMs + 7_000_000 },
    }));
    probe.send(interleave(pictures({ rate: FPS_25, count: 110 }), audio));
    expect(probe.opened).toHaveLength(1);
    const units = probe.units('audio');
    expect(filler(units).length).toBeLessThanOrEqual(2);
    expect(units.length - filler(units).length).toBeGreaterThan(195);
  });

  it('audio that nothing announced is dropped, with one warning', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25) });
    probe.send(pictures({ rate: FPS_25, count: 50 }));
    probe.events.push(...probe.timeline.configure(audioConfig(), START_MS + 2000));
    probe.send(
      interleave(pictures({ rate: FPS_25, count: 50, fromMs: 2000 }), frames({ count: 50, fromMs: 2000 })),
    );
    expect(probe.units('audio')).toEqual([]);
    expect(probe.warnings.map(({ id }) => id)).toEqual(['audio-unannounced']);
    expect(probe.opened).toHaveLength(1);
  });

  it('video that stops is filled with its last IDR once a second, until the next IDR of the encoder', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25), audio: audioConfig() });
    const video = pictures({ rate: FPS_25, count: 250, gop: 50 });
    probe.send(interleave([...video.slice(0, 60), ...video.slice(185)], frames({ count: 468 })));
    const fillers = filler(probe.units('video'));
    expect(fillers.length).toBeGreaterThanOrEqual(5);
    expect(new Set(steps(fillers))).toEqual(new Set([90_000]));
    expect(fillers.every(({ isRandomAccess, data }) => isRandomAccess && data[1] === 50)).toBe(true);
    const back = probe.units('video').find(({ dts }) => dts > (fillers.at(-1)?.dts ?? 0));
    expect(back).toMatchObject({ isRandomAccess: true, isFiller: false });
    expect(back?.data[1]).toBe(200);
    expect(probe.opened).toHaveLength(1);
  });
});

describe('opening', () => {
  it('audio only opens at once when the metadata says so', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { audio: audioConfig() });
    probe.send(frames({ count: 100 }));
    expect(probe.opened[0]?.tracks.map(({ trackId }) => trackId)).toEqual([2]);
    expect(probe.units('audio')).toHaveLength(100);
  });

  it('audio without any metadata waits two seconds for video', () => {
    const probe = new TimelineProbe();
    probe.timeline.beginPublication(START_MS);
    probe.timeline.configure(audioConfig(), START_MS);
    probe.send(frames({ count: 90 }));
    expect(probe.opened).toEqual([]);
    probe.events.push(...probe.timeline.tick(START_MS + 2000));
    expect(probe.opened).toHaveLength(1);
    expect(probe.units('audio')).toHaveLength(90);
  });

  it('waits at most 500 ms after the first IDR for a track that was announced', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25), hasAudio: true });
    probe.send(pictures({ rate: FPS_25, count: 12 }));
    expect(probe.opened).toEqual([]);
    probe.events.push(...probe.timeline.tick(START_MS + 500));
    expect(probe.opened).toHaveLength(1);
    expect(probe.units('video')).toHaveLength(12);
  });

  it('SEG: source comes from the first two IDRs: 29.97 fps and a GOP of 60 are 1001/500 s', () => {
    const rate = rational(30_000, 1001);
    const probe = new TimelineProbe({ segmentDurationSeconds: 'source' });
    probe.begin(START_MS, { video: videoConfig(rate), audio: audioConfig() });
    probe.send(interleave(pictures({ rate, count: 200, gop: 60 }), frames({ count: 300 })));
    expect(probe.opened[0]?.segmentDuration).toEqual(rational(1001, 500));
    expect(probe.units('video')).toHaveLength(200);
    expect(probe.events.filter((event) => event.type === 'boundary').every(({ isMet }) => isMet)).toBe(true);
  });

  it('a session that had audio and comes back without has silence', () => {
    const probe = new TimelineProbe();
    probe.begin(START_MS, { video: videoConfig(FPS_25), audio: audioConfig() });
    probe.send(interleave(pictures({ rate: FPS_25, count: 50 }), frames({ count: 90 })));
    probe.end(START_MS + 2000);
    probe.begin(START_MS + 5000, { video: videoConfig(FPS_25, 2) });
    probe.send(pictures({ rate: FPS_25, count: 100 }), START_MS + 5000);
    expect(probe.opened[1]?.tracks.map(({ trackId }) => trackId)).toEqual([1, 2]);
    expect(filler(probe.units('audio')).length).toBeGreaterThan(100);
  });

  it('holds a bounded number of units while it waits for a second IDR', () => {
    const probe = new TimelineProbe({ segmentDurationSeconds: 'source' });
    probe.begin(START_MS, { video: videoConfig(FPS_25) });
    // All at once: no time passes that could end the wait.
    probe.send(pictures({ rate: FPS_25, count: 5000, gop: 5000 }), START_MS, 0);
    expect(probe.opened[0]?.segmentDuration).toEqual(rational(2, 1));
    expect(probe.units('video')).toHaveLength(5000);
  });

  it('refuses SEG below one second', () => {
    expect(() => new TimelineProbe({ segmentDurationSeconds: rational(1, 2) })).toThrow(/at least 1 s/);
  });
});
