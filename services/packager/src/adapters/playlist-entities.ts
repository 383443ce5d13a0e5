import { gzipSync } from 'node:zlib';
import { renderMediaPlaylist } from '../domain/media-playlist.ts';
import type { PlaylistForm } from '../domain/media-playlist.ts';
import type { RenditionWindow } from '../domain/rendition-window.ts';
import type { SessionWindow } from '../domain/session-window.ts';
import { tsReadyCount } from '../domain/ts-segment.ts';
import { etagOf, makeEntity } from './entity.ts';
import type { Entity } from './entity.ts';

const CONTENT_TYPE = 'application/vnd.apple.mpegurl';
/** Nothing under an ended session changes any more, but its playlist will be gone one day. */
const ENDED_CACHE_CONTROL = 'public, max-age=3600';
/** Fast enough to do in the request; level and container are fixed, so the bytes are a function of the text. */
const GZIP_LEVEL = 6;

interface Revision {
  readonly lastMsn: number;
  readonly isEnded: boolean;
  readonly identity: Entity;
  /** Made when the first client asks for it. */
  gzip: Entity | undefined;
}

/** The current media playlist of each rendition and form, serialised once a revision and compressed once. */
export class PlaylistEntities {
  readonly #revisions: Readonly<Record<PlaylistForm, WeakMap<RenditionWindow, Revision>>> = {
    fmp4: new WeakMap(),
    ts: new WeakMap(),
  };

  /** True when the playlist would list something; costs next to nothing, for those who wait. */
  has(window: SessionWindow, rendition: RenditionWindow | undefined, form: PlaylistForm): boolean {
    return rendition?.terms !== undefined && listedCount(window, rendition, form) > 0;
  }

  /** The playlist as it is now; `undefined` while it would list nothing. */
  get(
    window: SessionWindow,
    rendition: RenditionWindow,
    form: PlaylistForm,
    acceptsGzip: boolean,
  ): Entity | undefined {
    const revision = this.#revision(window, rendition, form);
    if (revision === undefined || !acceptsGzip) return revision?.identity;
    revision.gzip ??= compress(revision.identity, cacheControl(rendition, revision.isEnded));
    return revision.gzip;
  }

  #revision(window: SessionWindow, rendition: RenditionWindow, form: PlaylistForm): Revision | undefined {
    const listed = listedCount(window, rendition, form);
    const last = rendition.completeAt(listed - 1);
    const { terms } = rendition;
    if (last === undefined || terms === undefined) return undefined;
    const known = this.#revisions[form].get(rendition);
    if (known !== undefined && known.lastMsn === last.msn && known.isEnded === window.isFinished)
      return known;
    const text = renderMediaPlaylist({
      form,
      segments: rendition.window(listed),
      terms,
      isEnded: window.isFinished,
      hasInit: (period) => window.init(rendition.renditionId, period) !== undefined,
      firstKOf: (period) => window.record?.periods.find(({ ordinal }) => ordinal === period)?.firstK,
    });
    const revision: Revision = {
      lastMsn: last.msn,
      isEnded: window.isFinished,
      gzip: undefined,
      identity: makeEntity({
        object: form === 'ts' ? 'ts-playlist' : 'playlist',
        body: Buffer.from(text),
        contentType: CONTENT_TYPE,
        cacheControl: cacheControl(rendition, window.isFinished),
        variant: ['Vary', 'Accept-Encoding'],
        hasRanges: false,
      }),
    };
    this.#revisions[form].set(rendition, revision);
    return revision;
  }
}

function listedCount(window: SessionWindow, rendition: RenditionWindow, form: PlaylistForm): number {
  return form === 'ts' ? tsReadyCount(window, rendition) : rendition.completeCount;
}

/** O: half a target duration while the playlist is live. */
function cacheControl(rendition: RenditionWindow, isEnded: boolean): string {
  if (isEnded) return ENDED_CACHE_CONTROL;
  return `public, max-age=${Math.max(1, Math.floor((rendition.terms?.targetDurationSeconds ?? 0) / 2))}`;
}

function compress(identity: Entity, control: string): Entity {
  return makeEntity({
    object: identity.object,
    body: gzipSync(identity.body, { level: GZIP_LEVEL }),
    contentType: CONTENT_TYPE,
    cacheControl: control,
    etag: etagOf(identity.body, '-gzip'),
    variant: ['Vary', 'Accept-Encoding'],
    extra: ['Content-Encoding', 'gzip'],
    hasRanges: false,
  });
}
