import { session } from '@millrace/contracts';

/** A rendition for tests: 320x180 at 25 fps unless said otherwise. */
export function videoRendition(change: Partial<session.Rendition> = {}): session.Rendition {
  return {
    id: '180p',
    kind: session.TrackKind.VIDEO,
    codec: 'avc1.4d400d',
    width: 320,
    height: 180,
    frameRate: { numerator: 25, denominator: 1 },
    bandwidthBps: 400_000,
    averageBandwidthBps: 300_000,
    isPassthrough: false,
    timescale: 90_000,
    sampleRate: 0,
    channelCount: 0,
    targetBps: 250_000,
    sampleAspectRatio: undefined,
    videoRange: session.VideoRange.SDR,
    ...change,
  };
}

/** An audio rendition for tests: AAC-LC 48 kHz stereo. */
export function audioRendition(change: Partial<session.Rendition> = {}): session.Rendition {
  return {
    id: 'audio',
    kind: session.TrackKind.AUDIO,
    codec: 'mp4a.40.2',
    width: 0,
    height: 0,
    frameRate: undefined,
    bandwidthBps: 140_000,
    averageBandwidthBps: 132_000,
    isPassthrough: false,
    timescale: 48_000,
    sampleRate: 48_000,
    channelCount: 2,
    targetBps: 128_000,
    sampleAspectRatio: undefined,
    videoRange: session.VideoRange.UNSPECIFIED,
    ...change,
  };
}

/** A video track for tests: 640x360 at 25 fps. */
export function videoTrack(change: Partial<session.Track> = {}): session.Track {
  return {
    trackId: 1,
    kind: session.TrackKind.VIDEO,
    timescale: 90_000,
    codec: 'avc1.64001e',
    decoderConfig: Buffer.alloc(0),
    width: 640,
    height: 360,
    frameRate: { numerator: 25, denominator: 1 },
    sampleRate: 0,
    channelCount: 0,
    sampleAspectRatio: undefined,
    isInterlaced: false,
    ...change,
  };
}

/** An audio track for tests: AAC-LC 48 kHz stereo. */
export function audioTrack(change: Partial<session.Track> = {}): session.Track {
  return {
    trackId: 2,
    kind: session.TrackKind.AUDIO,
    timescale: 48_000,
    codec: 'mp4a.40.2',
    decoderConfig: Buffer.from([0x11, 0x90]),
    width: 0,
    height: 0,
    frameRate: undefined,
    sampleRate: 48_000,
    channelCount: 2,
    sampleAspectRatio: undefined,
    isInterlaced: false,
    ...change,
  };
}
