import { Parser } from 'm3u8-parser';
import type { Report } from './report.ts';

/** An EXT-X-STREAM-INF. */
export interface Variant {
  readonly url: string;
  readonly bandwidthBps: number;
  readonly averageBandwidthBps: number | undefined;
  readonly codecs: readonly string[];
  readonly resolution: { readonly width: number; readonly height: number } | undefined;
  readonly frameRate: number | undefined;
  readonly audioGroup: string | undefined;
}

/** An EXT-X-MEDIA of TYPE=AUDIO with a playlist of its own. */
interface AudioRendition {
  readonly url: string;
  readonly group: string;
  readonly name: string;
}

/** A multivariant playlist. */
export interface MultivariantPlaylist {
  readonly url: string;
  readonly text: string;
  readonly variants: readonly Variant[];
  readonly audio: readonly AudioRendition[];
  readonly hasIndependentSegments: boolean;
}

/** Reads a multivariant playlist with m3u8-parser. */
export function readMultivariant(url: string, text: string): MultivariantPlaylist {
  const parser = new Parser();
  parser.push(text);
  parser.end();
  const { manifest } = parser;
  const audio = Object.entries(manifest.mediaGroups?.AUDIO ?? {}).flatMap(([group, members]) =>
    Object.entries(members).flatMap(([name, { uri }]) =>
      uri === undefined ? [] : [{ group, name, url: new URL(uri, url).href }],
    ),
  );
  return {
    url,
    text,
    audio,
    hasIndependentSegments: manifest.independentSegments === true,
    variants: (manifest.playlists ?? []).map(({ uri, attributes }) => ({
      url: new URL(uri, url).href,
      bandwidthBps: attributes.BANDWIDTH ?? Number.NaN,
      averageBandwidthBps:
        attributes['AVERAGE-BANDWIDTH'] === undefined ? undefined : Number(attributes['AVERAGE-BANDWIDTH']),
      codecs: attributes.CODECS?.split(',').map((codec) => codec.trim()) ?? [],
      resolution: attributes.RESOLUTION,
      frameRate: attributes['FRAME-RATE'],
      audioGroup: attributes.AUDIO,
    })),
  };
}

/** Holds a multivariant playlist to the rules that need no media (M-1 to M-4, H-12). */
export function checkMultivariant(playlist: MultivariantPlaylist, where: string, report: Report): void {
  const { text, variants } = playlist;
  report.expect(text.startsWith('#EXTM3U\n'), 'H-20', where, 'the first line is not #EXTM3U');
  report.expect(variants.length > 0, 'M-1', where, 'there is no variant');
  report.expect(
    !/^#EXT-X-VERSION:(?:[2-9]|\d\d)/m.test(text) || /^#EXT-X-DEFINE|INSTREAM-ID|REQ-/m.test(text),
    'H-12',
    where,
    'EXT-X-VERSION is higher than the tags need',
  );
  for (const variant of variants) {
    const name = variant.url;
    const isVideo = variant.codecs.some((codec) => /^(?:avc|hvc|hev|av01|vp09)/.test(codec));
    report.expect(variant.bandwidthBps > 0, 'M-1', where, `${name} has no BANDWIDTH`);
    report.expect(
      variant.averageBandwidthBps !== undefined && variant.averageBandwidthBps <= variant.bandwidthBps,
      'M-1',
      where,
      `${name}: AVERAGE-BANDWIDTH is ${String(variant.averageBandwidthBps)}, BANDWIDTH ${variant.bandwidthBps}`,
    );
    report.expect(variant.codecs.length > 0, 'M-2', where, `${name} has no CODECS`);
    report.expect(
      !isVideo || variant.resolution !== undefined,
      'M-2',
      where,
      `${name} has video and no RESOLUTION`,
    );
    report.expect(
      variant.audioGroup === undefined ||
        playlist.audio.some(({ group }) => group === variant.audioGroup) ||
        text.includes(`GROUP-ID="${variant.audioGroup}"`),
      'M-3',
      where,
      `${name} refers to the audio group ${String(variant.audioGroup)}, which nobody defines`,
    );
  }
  checkMediaTags(text, where, report);
  const captioned = text.split('\n').filter((line) => line.startsWith('#EXT-X-STREAM-INF:'));
  const withCaptions = captioned.filter((line) => line.includes('CLOSED-CAPTIONS='));
  const withVideo = captioned.filter((line) => line.includes('RESOLUTION='));
  report.expect(
    withCaptions.length === withVideo.length,
    'M-4',
    where,
    `${withCaptions.length} of ${withVideo.length} variants with video say CLOSED-CAPTIONS`,
  );
}

function checkMediaTags(text: string, where: string, report: Report): void {
  const defaults = new Map<string, number>();
  const names = new Set<string>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('#EXT-X-MEDIA:')) continue;
    const group = /GROUP-ID="([^"]*)"/.exec(line)?.[1] ?? '';
    const name = /NAME="([^"]*)"/.exec(line)?.[1];
    report.expect(
      name !== undefined && /LANGUAGE="/.test(line),
      'M-3',
      where,
      `${line}: NAME or LANGUAGE is missing`,
    );
    report.expect(
      !line.includes('TYPE=AUDIO') || /CHANNELS="/.test(line),
      'M-3',
      where,
      `${line}: CHANNELS is missing`,
    );
    const key = `${group}\n${name ?? ''}`;
    report.expect(!names.has(key), 'M-3', where, `group ${group} has two renditions named ${name ?? ''}`);
    names.add(key);
    if (!line.includes('DEFAULT=YES')) continue;
    defaults.set(group, (defaults.get(group) ?? 0) + 1);
    report.expect(line.includes('AUTOSELECT=YES'), 'M-3', where, `${line}: DEFAULT without AUTOSELECT`);
    report.expect(defaults.get(group) === 1, 'M-3', where, `group ${group} has two defaults`);
  }
}
