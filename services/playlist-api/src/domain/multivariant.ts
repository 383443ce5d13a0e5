import { session } from '@millrace/contracts';
import { marshalMultivariantPlaylist } from '@millrace/media';
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
/** Four PIDs, each padded to a multiple of 16 packets of 188 bytes in every segment: at most this many bits. */
const TS_PADDING_BITS = 4 * 15 * 188 * 8;
/** TS and PES headers over what fMP4 needs, at the lowest rates of the default ladder. */
const TS_OVERHEAD = 1.06;

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
      const declared = (rate: (part: session.Rendition) => number): number => {
        const bps = parts.reduce((sum, part) => sum + rate(part), 0);
        return form === 'ts' ? inTransportStream(bps, presentation) : bps;
      };
      const { width, height, frameRate } = rendition;
      return {
        uri: uriOf(rendition.id),
        bandwidthBps: declared(({ bandwidthBps }) => bandwidthBps),
        averageBandwidthBps: declared(({ averageBandwidthBps }) => averageBandwidthBps),
        codecs: [...new Set(parts.map(({ codec }) => codec))],
        stableId: rendition.id,
        ...(isVideo ? { resolution: { width, height }, videoRange: RANGES[rendition.videoRange] } : {}),
        ...(isVideo && frameRate !== undefined ? { frameRate } : {}),
        ...(hasGroup ? { audioGroupId: AUDIO_GROUP } : {}),
      };
    }),
  });
}

function inTransportStream(bps: number, { segmentDurationSeconds: seg }: session.Presentation): number {
  const seconds = seg === undefined ? 1 : seg.numerator / seg.denominator;
  return Math.ceil(bps * TS_OVERHEAD + TS_PADDING_BITS / seconds);
}
