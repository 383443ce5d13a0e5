import { session } from '@millrace/contracts';
import { ParseError } from '@millrace/media';
import type { Logger } from '@millrace/runtime';
import type { SessionDirectory } from '../domain/session-directory.ts';
import type { SessionWindow } from '../domain/session-window.ts';
import type { StoredPart, StoredSegment } from '../domain/stored-segment.ts';
import type { RenditionWindow } from '../domain/rendition-window.ts';
import { TsCache } from '../domain/ts-cache.ts';
import { isTsReady, muxTsSegment } from '../domain/ts-segment.ts';
import type { WaitingRoom } from '../domain/waiting-room.ts';
import { makeEntity } from './entity.ts';
import type { Entity, ObjectKind } from './entity.ts';
import type { MediaPath } from './media-path.ts';
import { PlaylistEntities } from './playlist-entities.ts';

/** Answers that have no entity. */
type Refused = 404 | 410 | 425 | 503;

/** What a request comes to at this moment. */
export type Resolution =
  | { readonly kind: 'entity'; readonly entity: Entity }
  | { readonly kind: 'refused'; readonly status: Refused }
  /** Other packagers have it: to be asked, each for at most `deadlineMs`. */
  | { readonly kind: 'elsewhere'; readonly deadlineMs: number }
  /** Not there yet, and worth holding: resolve again when the room says so, at the deadline answer `status`. */
  | {
      readonly kind: 'hold';
      readonly room: WaitingRoom;
      readonly isReady: () => boolean;
      readonly deadlineMs: number;
      readonly status: Refused;
    };

/** Media never changes under its URL; two weeks is longer than any window. */
const IMMUTABLE = 'public, max-age=1209600, immutable';
/** L-6, section 8: a hold ends after three target durations. */
const HOLD_TARGET_DURATIONS = 3;
const DEFAULT_TARGET_DURATION_SECONDS = 2;
/** A request for a segment that is due within two segment durations is held. */
const HELD_SEGMENTS_AHEAD = 2;

/** What an owner may take beyond what it holds a request for. */
const ANSWER_MS = 2000;
/** A mirror hears of changes within a second. */
const MIRROR_LAG_MS = 1500;

const NOT_FOUND: Resolution = { kind: 'refused', status: 404 };
const GONE: Resolution = { kind: 'refused', status: 410 };
const NOT_NOW: Resolution = { kind: 'refused', status: 503 };
const TOO_EARLY: Resolution = { kind: 'refused', status: 425 };

/** Finds what a path names: an entity, a reason why not, or something to wait for. */
export class OriginResolver {
  readonly #directory: SessionDirectory;
  readonly #startHoldMs: number;
  readonly #logger: Logger;
  readonly #onMuxFailure: () => void;
  readonly #isMirrorCurrent: (() => boolean) | undefined;
  readonly #playlists = new PlaylistEntities();
  readonly #media = new WeakMap<StoredSegment | StoredPart | Buffer, Entity>();
  readonly #ts: TsCache<StoredSegment, Entity>;
  /** Segments that cannot be made MPEG-TS; trying again would cost the same and end the same. */
  readonly #unmuxable = new WeakSet<StoredSegment>();

  constructor(options: {
    readonly directory: SessionDirectory;
    readonly startHoldMs: number;
    readonly maxTsCacheBytes: number;
    readonly logger: Logger;
    readonly onMuxFailure: () => void;
    /** False while sessions may be live that are not known here; absent where this is the only packager. */
    readonly isMirrorCurrent?: () => boolean;
  }) {
    this.#directory = options.directory;
    this.#startHoldMs = options.startHoldMs;
    this.#logger = options.logger;
    this.#onMuxFailure = options.onMuxFailure;
    this.#isMirrorCurrent = options.isMirrorCurrent;
    this.#ts = new TsCache(options.maxTsCacheBytes);
  }

  /** Bytes of MPEG-TS segments kept. */
  get tsCacheBytes(): number {
    return this.#ts.bytes;
  }

  resolve(path: MediaPath, acceptsGzip: boolean): Resolution {
    const found = this.#directory.find(path.sessionId);
    if (found.kind === 'gone') return GONE;
    if (found.kind === 'unknown') return this.#resolveUnknown(path.sessionId);
    if (found.kind === 'elsewhere') return this.#askOthers(found.record, path);
    const { window } = found;
    if (!window.isFilled) return this.#askOthers(window.record, path);
    const { presentation } = window;
    if (presentation !== undefined && !presentation.renditions.some(({ id }) => id === path.renditionId))
      return NOT_FOUND;
    switch (path.object) {
      case 'playlist':
        return this.#resolvePlaylist(window, path, acceptsGzip);
      case 'init':
        return this.#resolveInit(window, path.renditionId, path.period);
      case 'segment':
        return this.#resolveSegment(window, path);
      case 'part':
        return this.#resolvePart(window, path);
    }
  }

  /** Where there are others, a viewer may know of a session before the mirror does. */
  #resolveUnknown(sessionId: string): Resolution {
    if (this.#isMirrorCurrent === undefined) return NOT_FOUND;
    const isReady = (): boolean => this.#directory.find(sessionId).kind !== 'unknown';
    const status = this.#isMirrorCurrent() ? 404 : 503;
    return { kind: 'hold', room: this.#directory.arrivals, isReady, deadlineMs: MIRROR_LAG_MS, status };
  }

  #askOthers(record: session.SessionRecord | undefined, path: MediaPath): Resolution {
    const holdMs =
      path.object === 'playlist'
        ? this.#startHoldMs
        : HOLD_TARGET_DURATIONS * 1000 * (record?.presentation?.targetDurationSeconds ?? 0);
    return { kind: 'elsewhere', deadlineMs: holdMs + ANSWER_MS };
  }

  #resolvePlaylist(
    window: SessionWindow,
    path: MediaPath & { readonly object: 'playlist' },
    acceptsGzip: boolean,
  ): Resolution {
    const { renditionId, form } = path;
    const rendition = window.rendition(renditionId);
    const entity = rendition && this.#playlists.get(window, rendition, form, acceptsGzip);
    if (entity !== undefined && window.isStalled && !window.isFinished) return NOT_NOW;
    if (entity !== undefined) return { kind: 'entity', entity };
    if (window.isFinished) return NOT_FOUND;
    const isReady = (): boolean =>
      window.isFinished || this.#playlists.has(window, window.rendition(renditionId), form);
    return { kind: 'hold', room: window.waiters, isReady, deadlineMs: this.#startHoldMs, status: 404 };
  }

  #resolveInit(window: SessionWindow, renditionId: string, period: number): Resolution {
    const bytes = window.init(renditionId, period);
    if (bytes !== undefined)
      return {
        kind: 'entity',
        entity: this.#cached(bytes, () => this.#mediaEntity('init', bytes, window, renditionId)),
      };
    const held = window.rendition(renditionId)?.periods ?? new Set<number>();
    // Before the first segment nothing can have expired.
    const isExpired = held.size > 0 && period < Math.min(...held);
    return isExpired ? GONE : NOT_FOUND;
  }

  #resolveSegment(window: SessionWindow, path: MediaPath & { readonly object: 'segment' }): Resolution {
    const { k, form } = path;
    const rendition = window.rendition(path.renditionId);
    const located = rendition?.locate(k) ?? { kind: 'future' };
    switch (located.kind) {
      case 'expired':
        return GONE;
      case 'never':
        return NOT_FOUND;
      case 'future':
        return this.#await(window, path, k <= this.#lastDueK(window, rendition));
      case 'held': {
        const { segment } = located;
        if (!segment.isComplete) return this.#await(window, path, true);
        // H-14: a gap has no media, now or later.
        if (segment.isGap || rendition === undefined) return NOT_FOUND;
        if (form === 'ts') return this.#resolveTs(window, path, rendition, segment);
        const make = (): Entity =>
          this.#mediaEntity('segment', segment.body ?? Buffer.alloc(0), window, path.renditionId);
        return { kind: 'entity', entity: this.#cached(segment, make) };
      }
    }
  }

  #resolveTs(
    window: SessionWindow,
    path: MediaPath & { readonly object: 'segment' },
    rendition: RenditionWindow,
    segment: StoredSegment,
  ): Resolution {
    const known = this.#ts.get(segment);
    if (known !== undefined) return { kind: 'entity', entity: known };
    if (this.#unmuxable.has(segment)) return NOT_FOUND;
    if (!isTsReady(window, rendition, segment)) return this.#await(window, path, true);
    try {
      const body = muxTsSegment(window, rendition, segment);
      if (body === undefined) return NOT_FOUND;
      const entity = makeEntity({
        object: 'ts-segment',
        body,
        contentType: 'video/mp2t',
        cacheControl: IMMUTABLE,
        hasRanges: true,
      });
      this.#ts.set(segment, entity);
      return { kind: 'entity', entity };
    } catch (error) {
      if (!(error instanceof ParseError || error instanceof RangeError)) throw error;
      this.#unmuxable.add(segment);
      this.#onMuxFailure();
      const { sessionId, renditionId, k } = path;
      this.#logger.warn(
        { sessionId, renditionId, k, err: error },
        'A segment cannot be made MPEG-TS and is a 404 there; the fMP4 segment is served as it is',
      );
      return NOT_FOUND;
    }
  }

  #resolvePart(window: SessionWindow, path: MediaPath & { readonly object: 'part' }): Resolution {
    const rendition = window.rendition(path.renditionId);
    const located = rendition?.locate(path.k);
    if (located?.kind === 'expired') return GONE;
    if (rendition === undefined || located?.kind !== 'held') return NOT_FOUND;
    const { segment } = located;
    const part = segment.parts[path.part];
    const isVisible = segment.isComplete || rendition.hasVisibleParts;
    if (part === undefined || part.isGap || !isVisible) return NOT_FOUND;
    const make = (): Entity => this.#mediaEntity('part', part.bytes, window, path.renditionId);
    return { kind: 'entity', entity: this.#cached(part, make) };
  }

  #await(
    window: SessionWindow,
    path: MediaPath & { readonly object: 'segment' },
    isDue: boolean,
  ): Resolution {
    if (window.isFinished) return NOT_FOUND;
    if (!isDue) return TOO_EARLY;
    const isReady = (): boolean => {
      if (window.isFinished) return true;
      const rendition = window.rendition(path.renditionId);
      if (rendition === undefined) return false;
      const located = rendition.locate(path.k);
      if (located.kind !== 'held') return located.kind !== 'future';
      const { segment } = located;
      return segment.isComplete && (path.form !== 'ts' || isTsReady(window, rendition, segment));
    };
    const targetDurationSeconds =
      window.presentation?.targetDurationSeconds ?? DEFAULT_TARGET_DURATION_SECONDS;
    const deadlineMs = HOLD_TARGET_DURATIONS * targetDurationSeconds * 1000;
    return { kind: 'hold', room: window.waiters, isReady, deadlineMs, status: 503 };
  }

  /** The newest K that ends within two segment durations, by the rows or by what ingest has begun. */
  #lastDueK(window: SessionWindow, rendition: RenditionWindow | undefined): number {
    const lastCompleteK = rendition?.lastComplete?.k ?? -HELD_SEGMENTS_AHEAD - 1;
    return Math.max(
      lastCompleteK + HELD_SEGMENTS_AHEAD,
      (window.record?.currentK ?? 0) + HELD_SEGMENTS_AHEAD - 1,
    );
  }

  #mediaEntity(object: ObjectKind, body: Buffer, window: SessionWindow, renditionId: string): Entity {
    const kind = window.presentation?.renditions.find(({ id }) => id === renditionId)?.kind;
    const contentType = kind === session.TrackKind.AUDIO ? 'audio/mp4' : 'video/mp4';
    return makeEntity({ object, body, contentType, cacheControl: IMMUTABLE, hasRanges: true });
  }

  #cached(key: StoredSegment | StoredPart | Buffer, make: () => Entity): Entity {
    const known = this.#media.get(key);
    if (known !== undefined) return known;
    const entity = make();
    this.#media.set(key, entity);
    return entity;
  }
}
