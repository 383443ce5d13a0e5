import type { sink, twin } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { RenditionWindow } from './rendition-window.ts';
import type { SessionWindow } from './session-window.ts';
import type { StoredSegment } from './stored-segment.ts';

type Payload = NonNullable<twin.FollowResponse['payload']>;

/** How far one reader is in a rendition. */
interface Place {
  segment: StoredSegment;
  /** Parts of it that were given. */
  given: number;
}

/**
 * One reader's place in everything that a session holds: tokens, init segments, parts.
 *
 * A cursor, not a queue: a slow reader costs nothing. It throws `PACKAGER_COPY_LAGGED` when what comes next has slid out.
 */
export class WindowCursor {
  readonly #window: SessionWindow;
  readonly #inits = new Set<string>();
  readonly #places = new Map<string, Place>();
  #lastToken = 0;

  constructor(window: SessionWindow) {
    this.#window = window;
  }

  /** What is to be said first. */
  header(): twin.Header {
    const window = this.#window;
    const claims = window.claims.map(({ token, from }) => ({ token, from }));
    this.#lastToken = claims.at(-1)?.token ?? 0;
    return {
      ...{ isHeld: true, isFed: window.hasWriter, claims },
      renditions: [...window.renditions].map(({ renditionId, past }) => ({
        ...{ renditionId, longestWindowMs: past.longestWindowMs },
        known: past.known.map(({ first, last }) => ({ first, last })),
      })),
    };
  }

  /** The next thing that this reader was not given; `undefined` while there is none. */
  next(): Payload | undefined {
    const claim = this.#window.claims.find(({ token }) => token > this.#lastToken);
    if (claim !== undefined) {
      this.#lastToken = claim.token;
      return { $case: 'claim', value: claim };
    }
    for (const init of this.#window.inits) {
      const key = `${init.period}/${init.renditionId}`;
      if (this.#inits.has(key)) continue;
      this.#inits.add(key);
      return { $case: 'init', value: { ...init } };
    }
    for (const rendition of this.#window.renditions) {
      const part = this.#nextPart(rendition);
      if (part !== undefined) return { $case: 'part', value: part };
    }
    return undefined;
  }

  /** True when there is something to give. */
  get hasNext(): boolean {
    const window = this.#window;
    if ((window.claims.at(-1)?.token ?? 0) > this.#lastToken) return true;
    for (const { period, renditionId } of window.inits)
      if (!this.#inits.has(`${period}/${renditionId}`)) return true;
    for (const rendition of window.renditions) if (this.#place(rendition) !== undefined) return true;
    return false;
  }

  #nextPart(rendition: RenditionWindow): sink.Part | undefined {
    const place = this.#place(rendition);
    if (place === undefined) return undefined;
    if (place === 'lagged') throw lagged(this.#window.id);
    this.#places.set(rendition.renditionId, { segment: place.segment, given: place.given + 1 });
    return place.segment.toPart(place.given);
  }

  /** Where the next part is; `undefined` while it is not there. Throws nothing, since those who publish ask as well. */
  #place(rendition: RenditionWindow): Place | 'lagged' | undefined {
    const last = this.#places.get(rendition.renditionId);
    if (last === undefined) return begin(rendition.segmentAfter(-1));
    const { segment, given } = last;
    if (segment.isComplete && given === segment.parts.length) {
      const following = rendition.segmentAfter(segment.msn);
      if (following !== undefined && following.msn !== segment.msn + 1) return 'lagged';
      return begin(following);
    }
    const held = rendition.segmentAfter(segment.msn - 1);
    if (held === segment) return given < segment.parts.length ? last : undefined;
    // It was begun anew, or slid out before it was given whole.
    if (held !== undefined && held.msn !== segment.msn) return 'lagged';
    return begin(held);
  }
}

function begin(segment: StoredSegment | undefined): Place | undefined {
  return segment === undefined || segment.parts.length === 0 ? undefined : { segment, given: 0 };
}

function lagged(sessionId: string): ServiceError {
  return new ServiceError(
    'ABORTED',
    'PACKAGER_COPY_LAGGED',
    `Parts of session ${sessionId} slid out before they were read; follow it anew`,
    { retryable: true },
  );
}
