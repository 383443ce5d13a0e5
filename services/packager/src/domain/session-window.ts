import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { MemoryAccount } from './memory-budget.ts';
import { checkPart } from './part-rules.ts';
import type { PlacedPart } from './part-rules.ts';
import { describePosition, isPosition } from './position.ts';
import { REFUSALS } from './refusal.ts';
import type { RefusalReason } from './refusal.ts';
import { RenditionWindow } from './rendition-window.ts';
import type { RenditionPast } from './rendition-window.ts';
import type { StoredSegment } from './stored-segment.ts';
import { termsOf } from './rendition-terms.ts';
import { TokenRuling } from './token-ruling.ts';
import type { Claim } from './token-ruling.ts';
import { WaiterLimit, WaitingRoom } from './waiting-room.ts';
import { WriterFeed } from './writer-feed.ts';

/** Sizes that one session may not pass. */
export interface SessionLimits {
  readonly maxRenditions: number;
  readonly maxPartBytes: number;
  readonly maxInitBytes: number;
}

/** What a session tells those who keep it. */
export interface SessionObserver {
  onPartStored(part: sink.Part): void;
  /** A part came from the twin. */
  onPartCopied(part: sink.Part): void;
  onDuplicate(): void;
  onRefused(reason: RefusalReason): void;
  onSegmentCompleted(session: SessionWindow, rendition: RenditionWindow, segment: StoredSegment): void;
  /** Nothing will follow: the last rows are in, and playlists have ENDLIST. */
  onFinished(session: SessionWindow): void;
}

/** An init segment with the number of its period. */
interface StoredInit {
  readonly renditionId: string;
  readonly period: number;
  readonly data: Buffer;
}

/** Rendition ids are path segments and labels. */
const RENDITION_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/**
 * One session: its renditions, init segments, the tokens that rule it and those who wait for it.
 *
 * It never makes or alters a row. Refusals are `ServiceError`s.
 */
export class SessionWindow {
  readonly id: string;
  /** Those who wait for a segment, a playlist or the end. */
  readonly waiters: WaitingRoom;
  /** Those who follow every part: woken at each change of what is held, of the record and of the streams. */
  readonly changes = new WaitingRoom(new WaiterLimit(Infinity));
  /** True when playlists stand still because neither a worker nor a twin that has one brings anything. */
  isStalled = false;
  /** True while something that is missing may come from a twin. */
  canCatchUp = false;
  /** True where other packagers have the session too. */
  hasTwins = false;
  readonly #account: MemoryAccount;
  readonly #limits: SessionLimits;
  readonly #observer: SessionObserver;
  readonly #renditions = new Map<string, RenditionWindow>();
  readonly #inits = new Map<string, StoredInit>();
  readonly #ruling = new TokenRuling();
  #record: session.SessionRecord | undefined;
  readonly #feed = new WriterFeed();
  #missedCount = 0;
  #isFinished = false;
  #isFilled: boolean;

  constructor(options: {
    readonly id: string;
    readonly account: MemoryAccount;
    readonly limits: SessionLimits;
    readonly waiters: WaitingRoom;
    readonly observer: SessionObserver;
    /** False for one that is to be filled from a twin first. */
    readonly isFilled: boolean;
  }) {
    this.id = options.id;
    this.#isFilled = options.isFilled;
    this.waiters = options.waiters;
    this.#account = options.account;
    this.#limits = options.limits;
    this.#observer = options.observer;
  }

  get record(): session.SessionRecord | undefined {
    return this.#record;
  }

  /** What players read once; absent until it is fixed and known here. */
  get presentation(): session.Presentation | undefined {
    return this.#record?.presentation;
  }

  /** True when its record says so; its worker may still have rows to bring. */
  get hasEnded(): boolean {
    return this.#record?.state === session.SessionState.ENDED;
  }

  /** True when nothing will follow: playlists have ENDLIST, and whatever a worker brings is refused. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** True when everything is held that the twins hold, so that it can be served from here. */
  get isFilled(): boolean {
    return this.#isFilled;
  }

  /** True while a worker has a stream open. */
  get hasWriter(): boolean {
    return this.#feed.hasWriter;
  }

  /** True when workers bring every rendition, so that nothing has to come from the twin. */
  get isFed(): boolean {
    return this.#feed.bringsAll(this.presentation?.renditions.map(({ id }) => id) ?? []);
  }

  /** How often something was found missing. */
  get missedCount(): number {
    return this.#missedCount;
  }

  /** The tokens that rule, ascending. */
  get claims(): readonly Claim[] {
    return this.#ruling.claims;
  }

  /** Every init segment that is held. */
  get inits(): Iterable<sink.InitSegment> {
    return this.#inits.values();
  }

  get renditions(): Iterable<RenditionWindow> {
    return this.#renditions.values();
  }

  rendition(id: string): RenditionWindow | undefined {
    return this.#renditions.get(id);
  }

  /** The init segment of a rendition's period. */
  init(renditionId: string, period: number): Buffer | undefined {
    return this.#inits.get(initKey(renditionId, period))?.data;
  }

  /** How long everything has to stay once nothing follows (H-8). */
  get retentionAfterEndMs(): number {
    return Math.max(0, ...[...this.#renditions.values()].map((window) => window.retentionAfterEndMs));
  }

  /** Takes over a newer version of the session's record. */
  update(record: session.SessionRecord): void {
    if (this.#record !== undefined && record.revision < this.#record.revision) return;
    const hadPresentation = this.presentation !== undefined;
    this.#record = record;
    if (!hadPresentation) for (const window of this.#renditions.values()) this.#applyTerms(window);
    this.finishIfOver();
    this.#wakeAll();
  }

  /** Answers a worker's hello: what is held, and where to go on. */
  open(hello: sink.Hello): sink.HelloReply {
    const { from, leaseToken } = hello;
    if (this.#isFinished) throw this.#refuse('session-ended', 'nothing may follow ENDLIST');
    if (from === undefined || !isPosition(from) || !Number.isSafeInteger(leaseToken) || leaseToken < 1)
      throw this.#refuse('invalid', 'a hello needs a token above 0 and a first position');
    if (!this.#ruling.claim(leaseToken, from)) {
      const rulingToken = this.#ruling.rulingAt(from);
      throw this.#refuse(
        'token-stale',
        `token ${rulingToken} rules ${describePosition(from)}, not ${leaseToken}; take the lease again`,
        { rulingToken },
      );
    }
    this.#feed.open();
    this.changes.wake();
    const renditions = [...this.#renditions.values()].map((window) => window.resume());
    return {
      renditions: renditions.filter(({ resume }) => resume !== undefined),
      inits: [...this.#inits.values()].map((init) => ({ ...init })),
    };
  }

  /** A worker's stream was closed. */
  closeStream(): void {
    this.#feed.close();
    this.finishIfOver();
    this.changes.wake();
  }

  /** Keeps the init segment of a rendition's period; the first one stays. */
  publishInit(init: sink.InitSegment): void {
    if (this.#isFinished) throw this.#refuse('session-ended', 'nothing may follow ENDLIST');
    const isFit =
      Number.isSafeInteger(init.period) &&
      init.period >= 0 &&
      init.data.length > 0 &&
      init.data.length <= this.#limits.maxInitBytes;
    if (!isFit)
      throw this.#refuse('invalid', `the init segment of ${init.renditionId} is empty or too large`);
    const key = initKey(init.renditionId, init.period);
    const known = this.#inits.get(key);
    if (known !== undefined) {
      if (known.data.equals(init.data)) return;
      throw this.#refuse(
        'contradiction',
        `another init segment of ${init.renditionId} is fixed for period ${init.period}; open a new period`,
      );
    }
    this.#windowOf(init.renditionId);
    if (!this.#account.take(init.data.length))
      throw this.#refuse('memory', 'raise memory.* or lower the bitrates');
    this.#inits.set(key, { renditionId: init.renditionId, period: init.period, data: init.data });
    this.#wakeAll();
  }

  /** Keeps a part, or acknowledges one that is held already. */
  publishPart(part: sink.Part, token: number, nowMs: number): void {
    if (this.#isFinished) throw this.#refuse('session-ended', 'nothing may follow ENDLIST');
    if (!checkPart(part, this.#limits.maxPartBytes))
      throw this.#refuse('invalid', `a part of ${part.renditionId} has no position or values out of range`);
    const rulingToken = this.#ruling.rulingAt(part.position);
    if (rulingToken !== token) {
      const place = `${part.renditionId} ${describePosition(part.position)}`;
      throw this.#refuse('token-stale', `token ${rulingToken} rules ${place}, not ${token}`, { rulingToken });
    }
    const isNew = this.#take(part, nowMs);
    this.#feed.take(part.renditionId);
    if (isNew) this.#observer.onPartStored(part);
    else this.#observer.onDuplicate();
    this.changes.wake();
  }

  /** True when a worker's part cannot be taken yet, because parts before it are missing. */
  lacksBefore(part: sink.Part): boolean {
    if (this.#isFinished || !checkPart(part, this.#limits.maxPartBytes)) return false;
    return this.#renditions.get(part.renditionId)?.isBefore(part) ?? part.position.part > 0;
  }

  /** Parts of a rendition did not come from a worker; they are to come from the twin, which is asked again if that was in vain. */
  noteMissing(renditionId: string): void {
    this.#feed.miss(renditionId);
    this.canCatchUp = this.hasTwins;
    this.changes.wake();
  }

  /** Takes what a twin held when it was asked: the tokens that rule, and what is over already. */
  copyPast(
    claims: readonly Claim[],
    renditions: Iterable<RenditionPast & { readonly renditionId: string }>,
  ): void {
    for (const { token, from } of claims) this.#ruling.claim(token, from);
    for (const past of renditions) this.#windowOf(past.renditionId).restorePast(past);
  }

  /** Keeps a part that a twin holds, whoever made it; nothing of a rendition that workers bring. */
  copyPart(part: sink.Part, nowMs: number): void {
    if (this.#isFinished || this.#feed.brings(part.renditionId)) return;
    if (!checkPart(part, this.#limits.maxPartBytes))
      throw this.#refuse('invalid', `a part of ${part.renditionId} has no position or values out of range`);
    // Not taken again: part 0 of an unfinished segment with B-frames would begin it anew.
    if (this.#windowOf(part.renditionId).holdsPart(part)) return;
    if (!this.#take(part, nowMs)) return;
    this.#observer.onPartCopied(part);
    this.changes.wake();
  }

  /** Everything that the twins hold is held here: from now on it is served from here. */
  markFilled(): void {
    if (this.#isFilled) return;
    this.#isFilled = true;
    this.finishIfOver();
    this.#wakeAll();
  }

  /** This process may have missed something: what is held is served again when a twin has confirmed or completed it. */
  doubt(): void {
    this.#feed.miss();
    this.#isFilled = false;
    this.#wakeAll();
  }

  /** Lets go of what is held, since it does not go with what the twin holds; it is to be filled anew. */
  restart(): void {
    this.#release();
    this.#renditions.clear();
    this.doubt();
  }

  /** Stores a part; false when it was held already. */
  #take(part: PlacedPart, nowMs: number): boolean {
    const window = this.#windowOf(part.renditionId);
    const outcome = window.take(part, nowMs);
    if (outcome.kind === 'refused') {
      const place = `${part.renditionId} ${describePosition(part.position)}`;
      throw this.#refuse(outcome.refusal.reason, `${place}: ${outcome.refusal.message}`);
    }
    if (outcome.kind === 'duplicate') return false;
    if (outcome.completed !== undefined) this.#onCompleted(window, outcome.completed);
    return true;
  }

  #wakeAll(): void {
    this.waiters.wake();
    this.changes.wake();
  }

  /** Lets go of media whose time is over (H-8). */
  letGo(nowMs: number): void {
    for (const window of this.#renditions.values()) {
      window.letGo(nowMs);
      this.#forgetInits(window);
    }
  }

  #onCompleted(window: RenditionWindow, segment: StoredSegment): void {
    this.#forgetInits(window);
    this.#observer.onSegmentCompleted(this, window, segment);
    this.finishIfOver();
    this.waiters.wake();
  }

  /** Counts the refusal and makes its error. */
  #refuse(
    reason: RefusalReason,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
  ): ServiceError {
    this.#observer.onRefused(reason);
    const [code, id, meaning] = REFUSALS[reason];
    return new ServiceError(code, id, `${meaning}: ${message}`, {
      details: { sessionId: this.id, ...details },
    });
  }

  #windowOf(renditionId: string): RenditionWindow {
    const known = this.#renditions.get(renditionId);
    if (known !== undefined) return known;
    if (!RENDITION_ID.test(renditionId)) throw this.#refuse('invalid', 'a rendition id is not fit for a URL');
    if (this.#renditions.size >= this.#limits.maxRenditions)
      throw this.#refuse('limit', `limits.maxRenditions is ${this.#limits.maxRenditions}`);
    const window = new RenditionWindow(renditionId, this.#account);
    this.#applyTerms(window);
    this.#renditions.set(renditionId, window);
    return window;
  }

  #applyTerms(window: RenditionWindow): void {
    const terms = this.presentation && termsOf(this.presentation, window.renditionId);
    if (terms !== undefined) window.setTerms(terms);
  }

  /** Init segments go with the last segment of their period; one that is newer than every segment is awaited by its first. */
  #forgetInits(window: RenditionWindow): void {
    const { periods } = window;
    const newest = Math.max(...periods);
    for (const [key, init] of this.#inits) {
      if (init.renditionId !== window.renditionId || init.period >= newest || periods.has(init.period))
        continue;
      this.#inits.delete(key);
      this.#account.release(init.data.length);
    }
  }

  /**
   * Finishes the session when its record has ended and nothing is to follow: every rendition has the last row that the record
   * names, or, where it names none, no worker publishes. A worker that is between two streams may bring its last rows until
   * the owner of this calls `finish`.
   */
  finishIfOver(): void {
    if (this.#isFinished || !this.hasEnded || !this.#isFilled) return;
    const lastK = this.#record?.periods.at(-1)?.lastK;
    if (lastK === undefined ? !this.hasWriter : this.#hasRowsTo(lastK)) this.finish();
  }

  /** Ends the session for players, whatever may still have been under way. */
  finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#observer.onFinished(this);
    this.#wakeAll();
  }

  #hasRowsTo(lastK: number): boolean {
    const ids = this.presentation?.renditions.map(({ id }) => id) ?? [];
    return ids.every((id) => (this.#renditions.get(id)?.lastComplete?.k ?? -1) >= lastK);
  }

  /** Lets go of everything and of everybody who waits; what comes afterwards is refused. */
  clear(): void {
    this.#isFinished = true;
    this.#release();
    this.waiters.close();
    this.changes.close();
  }

  #release(): void {
    for (const window of this.#renditions.values()) window.clear();
    for (const { data } of this.#inits.values()) this.#account.release(data.length);
    this.#inits.clear();
  }
}

function initKey(renditionId: string, period: number): string {
  return `${period}/${renditionId}`;
}
