import { describe, expect, it } from '@jest/globals';
import { session } from '@millrace/contracts';
import { planPresentation } from './presentation.ts';
import type { OpeningFacts } from './presentation.ts';

const encoded = (name: string, width: number, height: number, bitrateBps: number): session.Rung => ({
  name,
  isSource: false,
  width,
  height,
  bitrateBps,
  maxFrameRate: undefined,
});
const SOURCE: session.Rung = { ...encoded('source', 0, 0, 0), isSource: true };
const LADDER = [
  encoded('720p', 1280, 720, 2_800_000),
  encoded('480p', 854, 480, 1_200_000),
  encoded('360p', 640, 360, 700_000),
];
const TWO = { numerator: 2, denominator: 1 };
const FPS_30 = { numerator: 30, denominator: 1 };
const FPS_5994 = { numerator: 60_000, denominator: 1001 };

const CHANNEL: session.Channel = {
  name: 'demo',
  segmentDurationSeconds: TWO,
  segmentFromSource: false,
  partDurationSeconds: { numerator: 1, denominator: 1 },
  ladder: LADDER,
  preset: session.Preset.LOW_LATENCY,
  isVariableFrameRate: false,
  redundancy: session.Redundancy.NONE,
  takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
  inputPreference: session.InputPreference.PRIMARY,
  graceSeconds: 30,
  windowSegments: 6,
  audioBitrateBps: 128_000,
};

function video(
  width: number,
  height: number,
  frameRate: session.Rational | undefined = FPS_30,
): session.Track {
  return {
    trackId: 1,
    kind: session.TrackKind.VIDEO,
    timescale: 90_000,
    codec: 'avc1.4d4028',
    decoderConfig: Buffer.alloc(0),
    width,
    height,
    frameRate,
    sampleRate: 0,
    channelCount: 0,
    sampleAspectRatio: undefined,
    isInterlaced: false,
  };
}

const AUDIO: session.Track = {
  ...video(0, 0),
  trackId: 2,
  kind: session.TrackKind.AUDIO,
  timescale: 44_100,
  codec: 'mp4a.40.2',
  frameRate: undefined,
  sampleRate: 44_100,
  channelCount: 1,
};

function plan(
  facts: Partial<OpeningFacts> = {},
  channel: Partial<session.Channel> = {},
): session.Presentation {
  return planPresentation({
    channel: { ...CHANNEL, ...channel },
    tracks: [video(1280, 720), AUDIO],
    segmentDuration: TWO,
    utcOffsetUs: -1_300_400,
    ...facts,
  });
}

function frames(presentation: session.Presentation): string[] {
  return presentation.renditions
    .filter(({ kind }) => kind === session.TrackKind.VIDEO)
    .map(({ id, width, height }) => `${id} ${width}x${height}`);
}

describe('the ladder', () => {
  it.each<[string, session.Track, string[]]>([
    [
      'a source of the largest size has all rungs',
      video(1280, 720),
      ['720p 1280x720', '480p 854x480', '360p 640x360'],
    ],
    ['a larger one too', video(1920, 1080), ['720p 1280x720', '480p 854x480', '360p 640x360']],
    ['nothing is scaled up', video(854, 480), ['480p 854x480', '360p 640x360']],
    ['4:3 keeps its aspect', video(640, 480), ['480p 640x480', '360p 480x360']],
    ['portrait is fitted into the box', video(720, 1280), ['720p 406x720', '480p 270x480', '360p 202x360']],
    ['odd sizes become even', video(1279, 719), ['720p 1278x718', '480p 854x480', '360p 640x360']],
    ['a small source has the smallest rung in its own size', video(321, 241), ['360p 320x240']],
    [
      'non-square pixels count as they are shown',
      { ...video(720, 576), sampleAspectRatio: { numerator: 64, denominator: 45 } },
      ['480p 854x480', '360p 640x360'],
    ],
  ])('%s', (_, track, expected) => {
    expect(frames(plan({ tracks: [track] }))).toEqual(expected);
  });

  it('M-2: says codec, size and rate as x264 will write them', () => {
    expect(plan().renditions[0]).toMatchObject({
      id: '720p',
      codec: 'avc1.64001f',
      frameRate: FPS_30,
      isPassthrough: false,
      timescale: 90_000,
      targetBps: 2_800_000,
    });
    expect(plan({ tracks: [video(1280, 720, FPS_5994)] }).renditions[0]).toMatchObject({
      codec: 'avc1.640020',
      frameRate: FPS_5994,
    });
  });

  it('divides the rate by the smallest whole number under the cap', () => {
    const ladder = LADDER.map((rung) => ({ ...rung, maxFrameRate: FPS_30 }));
    const rates = plan({ tracks: [video(1280, 720, FPS_5994)] }, { ladder }).renditions.map(
      ({ frameRate }) => frameRate,
    );
    expect(rates).toEqual(LADDER.map(() => ({ numerator: 30_000, denominator: 1001 })));
  });

  it('runs a variable source at 30, unless the channel wants its frame times', () => {
    const tracks = [{ ...video(1280, 720), frameRate: undefined }];
    expect(plan({ tracks }).renditions[0]?.frameRate).toEqual(FPS_30);
    expect(plan({ tracks }, { isVariableFrameRate: true }).renditions[0]?.frameRate).toBeUndefined();
  });
});

describe('declared rates', () => {
  it('M-1: the peak is (maxrate x SEG + bufsize) / SEG, the average the target, each with its container', () => {
    const [rung] = plan().renditions;
    const container = 8 * (30 * 16 + 120);
    expect(rung?.bandwidthBps).toBe(2_800_000 * 1.5 + container);
    expect(rung?.averageBandwidthBps).toBe(2_800_000 + container);
  });

  it('of `source` are 1.25 times its first segment, or what the metadata states', () => {
    const channel = { ladder: [SOURCE, ...LADDER] };
    const measured = plan({ source: { hasMetBoundary: true, bitrateBps: 4_000_000 } }, channel).renditions[0];
    expect(measured).toMatchObject({ id: 'source', isPassthrough: true, codec: 'avc1.4d4028', targetBps: 0 });
    expect((measured?.bandwidthBps ?? 0) - 5_000_000).toBeLessThan(10_000);
    const stated = plan({ source: { hasMetBoundary: true, bitrateBps: 0 }, videoBps: 6_000_000 }, channel)
      .renditions[0];
    expect((stated?.bandwidthBps ?? 0) - 7_500_000).toBeLessThan(10_000);
  });
});

describe('source', () => {
  it('is not listed when its first boundary was missed or never reached', () => {
    const channel = { ladder: [SOURCE, ...LADDER] };
    const missed = plan({ source: { hasMetBoundary: false, bitrateBps: 1 } }, channel);
    expect(frames(missed)).toEqual(frames(plan()));
    expect(frames(plan({}, channel))).toEqual(frames(plan()));
  });

  it('as the only rung is always listed, and the audio is passed through with it', () => {
    const presentation = plan({ audioBps: 96_000 }, { ladder: [SOURCE] });
    expect(presentation.renditions.map(({ id, isPassthrough }) => [id, isPassthrough])).toEqual([
      ['source', true],
      ['audio', true],
    ]);
    expect(presentation.renditions[1]).toMatchObject({
      timescale: 44_100,
      sampleRate: 44_100,
      channelCount: 1,
      targetBps: 0,
    });
  });
});

describe('the samples of the encoder', () => {
  const channel = { ladder: [SOURCE, ...LADDER] };
  const source = { hasMetBoundary: true, bitrateBps: 4_000_000 };

  it('keep their aspect where they are passed through, and are made square where they are encoded', () => {
    const sampleAspectRatio = { numerator: 64, denominator: 45 };
    const { renditions } = plan({ tracks: [{ ...video(720, 576), sampleAspectRatio }], source }, channel);
    expect(renditions.find(({ id }) => id === 'source')?.sampleAspectRatio).toEqual(sampleAspectRatio);
    expect(renditions.find(({ id }) => id === '480p')?.sampleAspectRatio).toBeUndefined();
  });

  // Written by x264; the SPS says `transfer`.
  it.each([
    ['PQ', session.VideoRange.PQ, '8804a'],
    ['HLG', session.VideoRange.HLG, '8904a'],
  ])('M-2: of %s are so in every rung', (_, range, transfer) => {
    const avcC = `0164000affe1001b6764000aacd94426c05a84${transfer}0000003002000000641e244b2c001000668ebe3cb22c0fdf8f800`;
    const tracks = [{ ...video(1280, 720), decoderConfig: Buffer.from(avcC, 'hex') }];
    const { renditions } = plan({ tracks, source }, channel);
    expect(renditions.length).toBeGreaterThan(2);
    expect(new Set(renditions.map(({ videoRange }) => videoRange))).toEqual(new Set([range]));
    expect(plan().renditions[0]?.videoRange).toBe(session.VideoRange.SDR);
  });
});

describe('audio', () => {
  it('is AAC-LC 48 kHz stereo beside encoded rungs, whatever the source has', () => {
    expect(plan().renditions.at(-1)).toMatchObject({
      id: 'audio',
      codec: 'mp4a.40.2',
      timescale: 48_000,
      sampleRate: 48_000,
      channelCount: 2,
      targetBps: 128_000,
      isPassthrough: false,
    });
  });

  it('may be alone, or missing', () => {
    expect(plan({ tracks: [AUDIO] }).renditions.map(({ id }) => id)).toEqual(['audio']);
    expect(plan({ tracks: [video(640, 360)] }).renditions.map(({ id }) => id)).toEqual(['360p']);
  });
});

describe('what is fixed for the session', () => {
  it('H-1, L-1: target duration and part target come from configuration and sample durations', () => {
    expect(plan()).toMatchObject({
      segmentDurationSeconds: TWO,
      partDurationSeconds: { numerator: 1, denominator: 1 },
      targetDurationSeconds: 2,
      // 47 AAC frames
      partTargetUs: 1_002_667,
      preset: session.Preset.LOW_LATENCY,
    });
  });

  it('H-8: at least six segments, and three target durations', () => {
    expect(plan({}, { windowSegments: 2 }).windowSegments).toBe(6);
    expect(plan({}, { windowSegments: 20 }).windowSegments).toBe(20);
  });

  it('availability starts at 1970 + utcOffset + margin', () => {
    expect(plan().availabilityStartMs).toBe(-1300 + 500);
    expect(plan({}, { preset: session.Preset.QUALITY }).availabilityStartMs).toBe(-1300 + 1500);
  });
});
