import type { PlaylistForm } from '../domain/media-playlist.ts';

/** What a URL under `/media` names. */
export type MediaPath = {
  readonly sessionId: string;
  readonly renditionId: string;
} & (
  | { readonly object: 'playlist'; readonly form: PlaylistForm }
  | { readonly object: 'init'; readonly period: number }
  | { readonly object: 'segment'; readonly form: PlaylistForm; readonly k: number }
  | { readonly object: 'part'; readonly k: number; readonly part: number }
);

const PREFIX = '/media/';
/** One way to write each number, so that an object has one URL: no sign, no leading zero, a safe integer. */
const PATH =
  /^\/media\/([A-Za-z0-9_-]{1,64})\/([A-Za-z0-9][A-Za-z0-9_.-]{0,63})\/(?:(index|ts)\.m3u8|init-(0|[1-9]\d{0,9})\.mp4|(0|[1-9]\d{0,14})(?:\.(0|[1-9]\d{0,2}))?\.m4s|(0|[1-9]\d{0,14})\.ts)$/;

/** Parses a request target; `undefined` for what can never be an object. The query is not looked at (O-1). */
export function parseMediaPath(target: string): MediaPath | undefined {
  if (!target.startsWith(PREFIX)) return undefined;
  const query = target.indexOf('?');
  const match = PATH.exec(query === -1 ? target : target.slice(0, query));
  if (match === null) return undefined;
  const [, sessionId = '', renditionId = '', playlist, period, k, part, tsK] = match;
  const place = { sessionId, renditionId };
  if (playlist !== undefined)
    return { ...place, object: 'playlist', form: playlist === 'ts' ? 'ts' : 'fmp4' };
  if (period !== undefined) return { ...place, object: 'init', period: Number(period) };
  if (tsK !== undefined) return { ...place, object: 'segment', form: 'ts', k: Number(tsK) };
  if (part !== undefined) return { ...place, object: 'part', k: Number(k), part: Number(part) };
  return { ...place, object: 'segment', form: 'fmp4', k: Number(k) };
}
