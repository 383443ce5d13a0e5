import { session } from '@millrace/contracts';
import { codecString, marshalInitSegment } from '@millrace/media';
import type { ColorDescription, InitTrack } from '@millrace/media';
import { saidColor } from './video-color.ts';
import { OutputAssertionError } from './sample-assertions.ts';

/** Every rendition is one track of its own file. */
export const RENDITION_TRACK_ID = 1;

/**
 * Makes the init segment of an encoded rendition from what its encoder wrote.
 *
 * Throws `OutputAssertionError` when codec, size or timescale are not those that the presentation promised to players.
 */
export function encodedInit(rendition: session.Rendition, output: InitTrack): Buffer {
  const codec = codecString(output);
  const wrong =
    codec !== rendition.codec
      ? `codec ${codec}, promised ${rendition.codec}`
      : output.timescale !== rendition.timescale
        ? `timescale ${output.timescale}, promised ${rendition.timescale}`
        : output.width !== rendition.width || output.height !== rendition.height
          ? `frame ${output.width}x${output.height}, promised ${rendition.width}x${rendition.height}`
          : undefined;
  if (wrong !== undefined) throw new OutputAssertionError(`${rendition.id}: ${wrong}`);
  return marshalInit(rendition, output);
}

/** Makes the init segment of a rendition that is passed through, from its track. */
export function passthroughInit(rendition: session.Rendition, track: session.Track): Buffer {
  return marshalInit(rendition, {
    decoderConfig: track.decoderConfig,
    width: track.width,
    height: track.height,
    sampleRate: track.sampleRate,
    channelCount: track.channelCount,
    sampleAspectRatio: track.sampleAspectRatio,
    color: track.kind === session.TrackKind.VIDEO ? saidColor(track) : undefined,
  });
}

function marshalInit(
  rendition: session.Rendition,
  media: {
    readonly decoderConfig: Uint8Array;
    readonly width: number;
    readonly height: number;
    readonly sampleRate?: number;
    readonly channelCount?: number;
    readonly sampleAspectRatio?: session.Rational | undefined;
    readonly color?: ColorDescription | undefined;
  },
): Buffer {
  const common = {
    trackId: RENDITION_TRACK_ID,
    timescale: rendition.timescale,
    decoderConfig: media.decoderConfig,
  };
  if (rendition.kind === session.TrackKind.AUDIO) {
    return marshalInitSegment({
      ...common,
      kind: 'audio',
      sampleRate: media.sampleRate ?? rendition.sampleRate,
      channelCount: media.channelCount ?? rendition.channelCount,
    });
  }
  const { sampleAspectRatio, color } = media;
  return marshalInitSegment({
    ...common,
    kind: 'video',
    width: media.width,
    height: media.height,
    ...(sampleAspectRatio === undefined ? {} : { sampleAspectRatio }),
    ...(color === undefined ? {} : { color }),
  });
}
