import { session } from '@millrace/contracts';

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
 * M-1 (BANDWIDTH with audio), M-2 (CODECS of every format, RESOLUTION, FRAME-RATE), M-3, M-4. URLs are relative to
 * `/play/<channel>/`.
 */
export function marshalMultivariant(
  sessionId: string,
  presentation: session.Presentation,
  form: MultivariantForm,
): string {
  const audio = presentation.renditions.find(({ kind }) => kind === session.TrackKind.AUDIO);
  const videos = presentation.renditions.filter(({ kind }) => kind === session.TrackKind.VIDEO);
  const playlist = form === 'ts' ? 'ts.m3u8' : 'index.m3u8';
  const url = (id: string): string => `../../media/${sessionId}/${id}/${playlist}`;
  const hasGroup = form === 'fmp4' && audio !== undefined && videos.length > 0;
  const lines = ['#EXTM3U', '#EXT-X-INDEPENDENT-SEGMENTS'];
  if (hasGroup) {
    lines.push(
      `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="${AUDIO_GROUP}",NAME="Audio",LANGUAGE="und",DEFAULT=YES,AUTOSELECT=YES,` +
        `CHANNELS="${audio.channelCount}",URI="${url(audio.id)}"`,
    );
  }
  for (const variant of videos.length > 0 ? videos : [audio].filter((rendition) => rendition !== undefined)) {
    const parts =
      variant.kind === session.TrackKind.VIDEO && audio !== undefined ? [variant, audio] : [variant];
    const peak = parts.reduce((sum, rendition) => sum + rendition.bandwidthBps, 0);
    const average = parts.reduce((sum, rendition) => sum + rendition.averageBandwidthBps, 0);
    const attributes = [
      `BANDWIDTH=${form === 'ts' ? tsRate(peak, presentation) : peak}`,
      `AVERAGE-BANDWIDTH=${form === 'ts' ? tsRate(average, presentation) : average}`,
      `CODECS="${[...new Set(parts.map(({ codec }) => codec))].join(',')}"`,
    ];
    if (variant.kind === session.TrackKind.VIDEO) {
      attributes.push(`RESOLUTION=${variant.width}x${variant.height}`);
      const rate = variant.frameRate;
      if (rate !== undefined) attributes.push(`FRAME-RATE=${(rate.numerator / rate.denominator).toFixed(3)}`);
      attributes.push('CLOSED-CAPTIONS=NONE');
    }
    if (hasGroup) attributes.push(`AUDIO="${AUDIO_GROUP}"`);
    lines.push(`#EXT-X-STREAM-INF:${attributes.join(',')}`, url(variant.id));
  }
  return `${lines.join('\n')}\n`;
}

function tsRate(bps: number, { segmentDurationSeconds: seg }: session.Presentation): number {
  const seconds = seg === undefined ? 1 : seg.numerator / seg.denominator;
  return Math.ceil(bps * TS_OVERHEAD + TS_PADDING_BITS / seconds);
}
