import { session } from '@millrace/contracts';
import type { twin } from '@millrace/contracts';
import { jittered, ServiceError } from '@millrace/runtime';
import type { Clock, Logger, SessionCopies } from '@millrace/runtime';
import type { SessionWindow } from './session-window.ts';
import { waitInRoom } from './wait-in-room.ts';

/** What a replica tells those who keep it. */
export interface ReplicaObserver {
  /** It is filled, or there was nothing to fill it from. */
  onFilled(window: SessionWindow, result: 'filled' | 'empty', seconds: number): void;
  /** What it held did not go with what its twin holds. */
  onRestarted(window: SessionWindow): void;
}

/** What a replica works with. */
export interface SessionReplicaOptions {
  readonly window: SessionWindow;
  /** This packager's instance id. */
  readonly instance: string;
  readonly copies: SessionCopies;
  /** True for a packager that was heard of within the last seconds. */
  readonly isRegistered: (packagerId: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: ReplicaObserver;
  /** How long after a copy ended it is asked for again; 250 ms when absent. */
  readonly retryMs?: number;
}

/** Copies are on the live path: one that ended is asked for again this often. */
const RETRY_MS = 250;
/** A twin says something every second. */
const SILENCE_MS = 3000;
/** Section 8: after so many target durations without anything a playlist stands still. */
const STALL_TARGET_DURATIONS = 3;
/** How following a twin ended. */
type CopyEnd =
  /** This packager gets everything from workers now. */
  | 'fed'
  /** The twin holds nothing, or the stream ended in order. */
  | 'ended'
  | 'failed';

/**
 * Keeps one session of this packager in step with its twin: fills it before it is served, and follows the twin whenever workers
 * do not bring everything here themselves.
 */
export class SessionReplica {
  readonly #options: SessionReplicaOptions;
  readonly #stopping = new AbortController();
  readonly #startedAtMs = performance.now();
  #lastFedAtMs: number;
  #running: Promise<void> = Promise.resolve();
  #hasWarned = false;

  constructor(options: SessionReplicaOptions) {
    this.#options = options;
    this.#lastFedAtMs = options.clock();
  }

  /** Begins; never rejects. */
  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      this.#options.logger.error(
        { err: error, sessionId: this.#options.window.id },
        'A session is not kept in step with its twin any more; restart this packager',
      );
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { window } = this.#options;
    const { signal } = this.#stopping;
    // Its placement is in its record.
    await waitInRoom(window.changes, () => window.record !== undefined, { signal });
    while (!signal.aborted && !window.isFinished && !window.changes.isClosed) {
      if (window.isFilled && window.isFed) {
        this.#noteFed();
        window.canCatchUp = window.hasTwins = this.#twins().length > 0;
        await waitInRoom(window.changes, () => !window.isFed || window.isFinished, { signal });
        this.#noteFed();
      } else if (!(await this.#followAny())) await this.#pause();
    }
  }

  /** Follows one twin after the other; true when workers bring everything at last. */
  async #followAny(): Promise<boolean> {
    const { window, isRegistered } = this.#options;
    const twins = this.#twins();
    window.hasTwins = twins.length > 0;
    let mayComeBack = false;
    for (const twinPackager of twins) {
      const end = await this.#follow(twinPackager);
      if (end === 'fed' || this.#stopping.signal.aborted) return true;
      if (end === 'failed' && isRegistered(twinPackager.id)) mayComeBack = true;
    }
    window.canCatchUp = mayComeBack;
    window.changes.wake();
    this.#judgeStall();
    // Whoever is registered may be reached in a moment: what it holds is worth the wait, and it takes the parts meanwhile.
    if (!window.isFilled && !mayComeBack) this.#fill('empty');
    return false;
  }

  async #follow(packager: session.Peer): Promise<CopyEnd> {
    const { window, copies } = this.#options;
    const ended = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, ended.signal]);
    let silence = setTimeout(() => ended.abort(), SILENCE_MS);
    // What is missing here may come from the worker all at once, while the twin has nothing to say.
    const isServed = (): boolean => window.isFilled && window.isFed;
    void waitInRoom(window.changes, isServed, { signal }).then((isFed) => isFed && ended.abort());
    let hasCaughtUp = false;
    try {
      for await (const { payload } of copies.copyAt(packager).follow({ sessionId: window.id }, signal)) {
        clearTimeout(silence);
        silence = setTimeout(() => ended.abort(), SILENCE_MS);
        if (payload?.$case === 'header' && !payload.value.isHeld) return 'ended';
        if (payload !== undefined) this.#take(payload);
        if (window.isFilled && window.isFed) return 'fed';
        hasCaughtUp ||= payload?.$case === 'caughtUp';
        // What is held is in doubt: only a copy from the beginning can say that nothing is missing.
        if (hasCaughtUp && !window.isFilled) return 'failed';
      }
      if (window.isFilled && window.isFed) return 'fed';
      return ended.signal.aborted ? 'failed' : 'ended';
    } catch (error) {
      this.#judge(error, packager.id);
      return 'failed';
    } finally {
      clearTimeout(silence);
      ended.abort();
    }
  }

  #take(payload: NonNullable<twin.FollowResponse['payload']>): void {
    const { window, clock } = this.#options;
    switch (payload.$case) {
      case 'header': {
        const { claims, renditions, isFed } = payload.value;
        window.copyPast(claims.flatMap(toClaim), renditions);
        window.canCatchUp = true;
        if (isFed) this.#noteFed();
        return;
      }
      case 'claim':
        window.copyPast(toClaim(payload.value), []);
        return;
      case 'init':
        window.publishInit(payload.value);
        return;
      case 'part':
        window.copyPart(payload.value, clock());
        // One that comes when everything held was given was published a moment ago.
        if (window.isFilled) this.#noteFed();
        return;
      case 'caughtUp':
        this.#hasWarned = false;
        this.#fill('filled');
        return;
      case 'heartbeat':
        if (payload.value.isFed) this.#noteFed();
        this.#judgeStall();
    }
  }

  #fill(result: 'filled' | 'empty'): void {
    const { window, observer } = this.#options;
    if (window.isFilled) return;
    window.markFilled();
    observer.onFilled(window, result, (performance.now() - this.#startedAtMs) / 1000);
  }

  #judge(error: unknown, packagerId: string): void {
    const { window, logger, observer } = this.#options;
    if (this.#stopping.signal.aborted || window.isFinished) return;
    const id = error instanceof ServiceError ? error.id : undefined;
    const isConflict = id === 'PACKAGER_CONTRADICTION' || id === 'PACKAGER_OUT_OF_ORDER';
    // Whom workers publish to is right; where they publish to nobody, both are as good.
    if (isConflict && !window.hasWriter) {
      logger.warn(
        { err: error, sessionId: window.id, packager: packagerId },
        'What is held does not go with what the twin holds; the session is filled anew',
      );
      window.restart();
      observer.onRestarted(window);
      return;
    }
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    logger.warn(
      { err: error, sessionId: window.id, packager: packagerId },
      'The twin of a session cannot be followed; it is tried again four times a second',
    );
  }

  /** A worker publishes to this packager, or to its twin. */
  #noteFed(): void {
    this.#lastFedAtMs = this.#options.clock();
    this.#options.window.isStalled = false;
  }

  /** Section 8: a packager that lost its writer follows its twin, one that lost both answers 503. */
  #judgeStall(): void {
    const { window, clock } = this.#options;
    if (window.hasWriter) this.#noteFed();
    const { record, presentation } = window;
    const stallMs = STALL_TARGET_DURATIONS * (presentation?.targetDurationSeconds ?? 0) * 1000;
    const isLive = record?.state === session.SessionState.LIVE;
    // In a gap playlists stand still for everybody, and are to be served (H-8).
    if (!isLive) this.#noteFed();
    else if (clock() - this.#lastFedAtMs > stallMs) window.isStalled = true;
  }

  /** The other packagers of the session, as its record says now. */
  #twins(): readonly session.Peer[] {
    const packagers = this.#options.window.record?.placement?.packagers ?? [];
    return packagers.filter(({ id }) => id !== this.#options.instance);
  }

  /** The next try: after a while; at once when something turns out to be missing that no twin was expected to have. */
  async #pause(): Promise<void> {
    const { window, retryMs = RETRY_MS } = this.#options;
    const hadHope = window.canCatchUp;
    const isAsked = (): boolean => !hadHope && window.canCatchUp;
    await waitInRoom(window.changes, isAsked, {
      signal: this.#stopping.signal,
      deadlineMs: jittered(retryMs),
    });
  }
}

function toClaim({
  token,
  from,
}: twin.TokenClaim): readonly { token: number; from: NonNullable<typeof from> }[] {
  return from === undefined ? [] : [{ token, from }];
}
