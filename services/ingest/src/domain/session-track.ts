import { session } from '@millrace/contracts';
import type { TimelineTrack } from '@millrace/media';

/** A track as the session record and the relay have it. */
export function toTrack({ trackId, timescale, config, frameRate }: TimelineTrack): session.Track {
  const common = {
    trackId,
    timescale,
    codec: config.codec,
    decoderConfig: Buffer.from(config.decoderConfig),
  };
  if (config.kind === 'audio') {
    return {
      ...common,
      kind: session.TrackKind.AUDIO,
      width: 0,
      height: 0,
      frameRate: undefined,
      sampleRate: config.sampleRate,
      channelCount: config.channelCount,
      sampleAspectRatio: undefined,
      isInterlaced: false,
    };
  }
  return {
    ...common,
    kind: session.TrackKind.VIDEO,
    width: config.width,
    height: config.height,
    frameRate,
    sampleRate: 0,
    channelCount: 0,
    sampleAspectRatio: config.sampleAspectRatio,
    isInterlaced: config.isInterlaced,
  };
}
