/** A segment that a media playlist lists. */
export interface ListedSegment {
  readonly url: string;
  readonly durationSeconds: number;
  /** Wall clock of its first sample, if stated. */
  readonly startMs: number | undefined;
  readonly isGap: boolean;
}

/** What a player takes from a media playlist. */
export interface MediaPlaylist {
  readonly initUrl: string | undefined;
  readonly segments: readonly ListedSegment[];
}

async function fetchText(url: string): Promise<string | undefined> {
  const response = await fetch(url).catch(() => undefined);
  const text = await response?.text();
  return response?.status === 200 ? text : undefined;
}

/** URLs of the media playlists of all renditions of a channel; undefined while there is no multivariant playlist. */
export async function fetchRenditionUrls(
  httpUrl: string,
  channel: string,
): Promise<readonly string[] | undefined> {
  const url = `${httpUrl}/play/${channel}/index.m3u8`;
  const text = await fetchText(url);
  if (text === undefined) return undefined;
  const uris = text
    .split('\n')
    .map((line) => (line.startsWith('#EXT-X-MEDIA:') ? /URI="([^"]+)"/.exec(line)?.[1] : line))
    .filter((uri) => uri !== undefined && uri !== '' && !uri.startsWith('#'));
  return [...new Set(uris.map((uri) => new URL(uri ?? '', url).href))];
}

/** A media playlist as it is now; undefined while there is none. */
export async function fetchMediaPlaylist(url: string): Promise<MediaPlaylist | undefined> {
  const text = await fetchText(url);
  return text === undefined ? undefined : parseMediaPlaylist(text, url);
}

/** Reads what a bench needs of a media playlist. */
export function parseMediaPlaylist(text: string, url: string): MediaPlaylist {
  const segments: ListedSegment[] = [];
  let initUrl: string | undefined;
  let durationSeconds = 0;
  let startMs: number | undefined;
  let isGap = false;
  for (const line of text.split('\n')) {
    const [tag = '', value = ''] = line.split(/:(.*)/s);
    if (tag === '#EXTINF') durationSeconds = parseFloat(value);
    else if (tag === '#EXT-X-PROGRAM-DATE-TIME') startMs = Date.parse(value);
    else if (tag === '#EXT-X-GAP') isGap = true;
    else if (tag === '#EXT-X-MAP') initUrl = new URL(/URI="([^"]+)"/.exec(value)?.[1] ?? '', url).href;
    else if (line !== '' && !line.startsWith('#')) {
      segments.push({ url: new URL(line, url).href, durationSeconds, startMs, isGap });
      startMs = startMs === undefined ? undefined : startMs + durationSeconds * 1000;
      isGap = false;
    }
  }
  return { initUrl, segments };
}
