import { session } from '@millrace/contracts';
import { marshalMultivariantPlaylist, transportRateBps } from '@millrace/media';
import type { HlsVariant } from '@millrace/media';

const RANGES: Readonly<Record<session.VideoRange, NonNullable<HlsVariant['videoRange']>>> = {
  [session.VideoRange.UNSPECIFIED]: 'SDR',
  [session.VideoRange.SDR]: 'SDR',
  [session.VideoRange.HLG]: 'HLG',
  [session.VideoRange.PQ]: 'PQ',
};

/** The forms of a multivariant playlist: fMP4 with separate audio, or MPEG-TS with the audio inside. */
export type MultivariantForm = 'fmp4' | 'ts';

const AUDIO_GROUP = 'audio';
/** Pictures a second that are reckoned with where the rate is not known: each costs headers. */
const MOST_PICTURES_PER_SECOND = 60;
const AAC_FRAME_SAMPLES = 1024;

/**
 * Writes the multivariant playlist of a session: a function of what was fixed when it opened, so it never changes.
 *
 * M-1 (BANDWIDTH with audio), M-2 (CODECS of every format, RESOLUTION, FRAME-RATE, VIDEO-RANGE), M-3. URLs are relative to
 * `/play/<channel>/`.
 */
export function multivariantPlaylist(
  sessionId: string,
  presentation: session.Presentation,
  form: MultivariantForm,
): string {
  const audio = presentation.renditions.find(({ kind }) => kind === session.TrackKind.AUDIO);
  const videos = presentation.renditions.filter(({ kind }) => kind === session.TrackKind.VIDEO);
  const playlist = form === 'ts' ? 'ts.m3u8' : 'index.m3u8';
  const uriOf = (id: string): string => `../../media/${sessionId}/${id}/${playlist}`;
  const hasGroup = form === 'fmp4' && audio !== undefined && videos.length > 0;
  const audioOnly = audio === undefined ? [] : [audio];
  return marshalMultivariantPlaylist({
    audioRenditions: hasGroup
      ? [
          {
            groupId: AUDIO_GROUP,
            name: 'Audio',
            language: 'und',
            channelCount: audio.channelCount,
            isDefault: true,
            isAutoselect: true,
            uri: uriOf(audio.id),
            stableId: audio.id,
          },
        ]
      : [],
    variants: (videos.length > 0 ? videos : audioOnly).map((rendition): HlsVariant => {
      const isVideo = rendition.kind === session.TrackKind.VIDEO;
      const parts = isVideo ? [rendition, ...audioOnly] : [rendition];
      const declared = (rate: Rate): number =>
        form === 'ts'
          ? inTransportStream(parts, rate, presentation)
          : parts.reduce((sum, part) => sum + part[rate], 0);
      const { width, height, frameRate } = rendition;
      return {
        uri: uriOf(rendition.id),
        bandwidthBps: declared('bandwidthBps'),
        averageBandwidthBps: declared('averageBandwidthBps'),
        codecs: [...new Set(parts.map(({ codec }) => codec))],
        stableId: rendition.id,
        ...(isVideo ? { resolution: { width, height }, videoRange: RANGES[rendition.videoRange] } : {}),
        ...(isVideo && frameRate !== undefined ? { frameRate } : {}),
        ...(hasGroup ? { audioGroupId: AUDIO_GROUP } : {}),
      };
    }),
  });
}

type Rate = 'bandwidthBps' | 'averageBandwidthBps';

/** What fMP4 adds is in the rates of the renditions, and stays: it is little, and a declared rate may not be too low. */
function inTransportStream(
  parts: readonly session.Rendition[],
  rate: Rate,
  { segmentDurationSeconds: seg }: session.Presentation,
): number {
  const streams = parts.map((part) => {
    const { kind, frameRate, sampleRate } = part;
    const isVideo = kind === session.TrackKind.VIDEO;
    const pictures =
      frameRate === undefined ? MOST_PICTURES_PER_SECOND : frameRate.numerator / frameRate.denominator;
    return {
      kind: isVideo ? ('video' as const) : ('audio' as const),
      bps: part[rate],
      unitsPerSecond: isVideo ? pictures : sampleRate / AAC_FRAME_SAMPLES,
    };
  });
  const seconds = seg === undefined ? 1 : seg.numerator / seg.denominator;
  return transportRateBps(streams, seconds, rate === 'bandwidthBps' ? 'most' : 'mean');
}
