import { control, session } from '@millrace/contracts';
import { ulid } from 'ulid';
import type { Clock } from '../clock.ts';
import type {
  PublishClaim,
  PublishClaimRefusal,
  PublishOutcome,
  SessionChange,
  SessionStore,
} from '../ports/session-store.ts';
import { ConflatingQueue } from '../conflating-queue.ts';
import { MAX_RECENT_PERIODS, SESSION_RULES } from './session-rules.ts';

const { publicationTtlMs, lapseMs, takeBackHoldMs, takeoverLimit, takeoverWindowMs, endedRetentionMs } =
  SESSION_RULES;

interface Publication {
  readonly token: number;
  readonly encoderId: string;
  readonly role: control.PublishRole;
  expiresAtMs: number;
  /** When it was noticed that nobody renews it. */
  lapsedAtMs?: number;
}

interface ChannelState {
  record: session.SessionRecord;
  publication: Publication | undefined;
  /** When the last publication that has ended was last heard of. */
  aliveAtMs: number;
  /** The role of the newest publication. */
  role: control.PublishRole;
  /** Who was taken over, and when. */
  readonly takenOverAtMs: Map<string, number>;
  /** Times of recent takeovers and of attempts that were refused as one too many. */
  takeoversMs: number[];
}

/** The session store of one process; the rules are those of every session store. */
export class MemorySessionStore implements SessionStore {
  readonly #clock: Clock;
  readonly #channels = new Map<string, ChannelState>();
  /** Sessions that were replaced by a newer one of their channel, until they are forgotten. */
  readonly #ended = new Map<string, session.SessionRecord>();
  readonly #watchers = new Set<ConflatingQueue<string, session.SessionRecord>>();
  /** What claims have ended since the last sweep: the janitor tells of it. */
  readonly #endedByClaims: session.SessionRecord[] = [];
  #lastToken = 0;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  async claimPublication(claim: PublishClaim): Promise<PublishOutcome> {
    const nowMs = this.#clock();
    const known = this.#channels.get(claim.channel);
    const before = known?.record;
    if (known !== undefined) this.#expire(known, nowMs, known.role === claim.role ? 0 : lapseMs);
    if (known !== undefined && known.record !== before && known.record.state === session.SessionState.ENDED) {
      this.#endedByClaims.push(known.record);
    }
    const replaced = known?.publication;
    if (known !== undefined && replaced !== undefined && replaced.role !== claim.role) {
      if (!stepsBack(claim)) return { kind: 'refused', refusal: 'standby' };
    } else if (known !== undefined && replaced !== undefined) {
      const refusal = refuseTakeover(known, claim, nowMs);
      if (refusal !== undefined) return { kind: 'refused', refusal };
      // An encoder that replaces its own half-open connection has been taken over by nobody.
      if (replaced.encoderId !== claim.encoderId) known.takenOverAtMs.set(replaced.encoderId, nowMs);
      known.takeoversMs.push(nowMs);
    }
    this.#lastToken = Math.max(this.#lastToken + 1, nowMs);
    const token = this.#lastToken;
    const { encoderId, role } = claim;
    const publication = { token, encoderId, role, expiresAtMs: nowMs + publicationTtlMs };
    const isContinued = known !== undefined && known.record.state !== session.SessionState.ENDED;
    const state = isContinued ? known : this.#openSession(claim, nowMs);
    const idleMs = replaced === undefined ? nowMs - state.aliveAtMs : 0;
    const isFailover = state.role !== role;
    state.publication = publication;
    state.role = role;
    const { ingest, encoderId: encoder } = claim;
    const { record } = state;
    const isMoved = record.ingest?.id !== ingest.id || record.ingest.address !== ingest.address;
    if (state.record.state !== session.SessionState.LIVE) {
      this.#change(state, { state: session.SessionState.LIVE, stateSinceMs: nowMs, ingest, encoder });
    } else if (isMoved || record.encoder !== encoder) {
      this.#change(state, { ingest, encoder });
    }
    return {
      kind: 'accepted',
      token,
      record: state.record,
      isNewSession: !isContinued,
      idleMs,
      isFailover,
      ...(replaced === undefined ? {} : { replacedToken: replaced.token }),
    };
  }

  async renewPublication(channel: string, token: number): Promise<boolean> {
    const state = this.#holder(channel, token);
    if (state?.publication === undefined) return false;
    state.publication.expiresAtMs = this.#clock() + publicationTtlMs;
    return true;
  }

  async releasePublication(channel: string, token: number): Promise<void> {
    const state = this.#holder(channel, token);
    if (state === undefined) return;
    state.publication = undefined;
    state.aliveAtMs = this.#clock();
    this.#change(state, { state: session.SessionState.GAP, stateSinceMs: state.aliveAtMs });
  }

  async update(channel: string, token: number, change: SessionChange): Promise<boolean> {
    const state = this.#holder(channel, token);
    if (state === undefined) return false;
    const changed = changedFields(state.record, change);
    if (Object.keys(changed).length > 0) this.#change(state, changed);
    return true;
  }

  async place(channel: string, sessionId: string, placement: session.Placement): Promise<boolean> {
    const state = this.#channels.get(channel);
    if (state?.record.sessionId !== sessionId) return false;
    const epoch = state.record.placement?.epoch ?? 0;
    if (placement.epoch === epoch) return isSamePlacement(state.record.placement, placement);
    if (placement.epoch !== epoch + 1) return false;
    this.#change(state, { placement });
    return true;
  }

  async sweep(): Promise<readonly session.SessionRecord[]> {
    const nowMs = this.#clock();
    const changed = this.#endedByClaims.splice(0);
    for (const [channel, state] of this.#channels) {
      const before = state.record;
      this.#expire(state, nowMs, lapseMs);
      if (state.record !== before) changed.push(state.record);
      if (isForgettable(state.record, nowMs)) this.#channels.delete(channel);
    }
    for (const [id, record] of this.#ended) if (isForgettable(record, nowMs)) this.#ended.delete(id);
    return changed;
  }

  async *watch(signal: AbortSignal): AsyncIterable<session.SessionRecord> {
    const queue = new ConflatingQueue<string, session.SessionRecord>();
    for (const record of this.#ended.values()) queue.put(record.sessionId, record);
    for (const { record } of this.#channels.values()) queue.put(record.sessionId, record);
    this.#watchers.add(queue);
    try {
      yield* queue.take(signal);
    } finally {
      this.#watchers.delete(queue);
    }
  }

  #openSession(claim: PublishClaim, nowMs: number): ChannelState {
    const previous = this.#channels.get(claim.channel);
    if (previous !== undefined) this.#ended.set(previous.record.sessionId, previous.record);
    const state: ChannelState = {
      record: {
        sessionId: ulid(nowMs),
        channel: claim.channel,
        state: session.SessionState.LIVE,
        openedAtMs: nowMs,
        stateSinceMs: nowMs,
        graceSeconds: claim.graceSeconds,
        periods: [],
        currentK: 0,
        revision: 0,
        ingest: claim.ingest,
        encoder: claim.encoderId,
      },
      publication: undefined,
      aliveAtMs: nowMs,
      role: claim.role,
      takenOverAtMs: previous?.takenOverAtMs ?? new Map<string, number>(),
      takeoversMs: previous?.takeoversMs ?? [],
    };
    this.#channels.set(claim.channel, state);
    this.#change(state, {});
    return state;
  }

  #holder(channel: string, token: number): ChannelState | undefined {
    const state = this.#channels.get(channel);
    return state?.publication?.token === token ? state : undefined;
  }

  /**
   * Publication past its TTL, and so long after that was noticed: `gap`, from now, so that a process that was held still for
   * longer than the grace time ends nothing; `gap` past the grace time: `ended`.
   */
  #expire(state: ChannelState, nowMs: number, patienceMs: number): void {
    const { publication } = state;
    if (publication !== undefined && hasLapsed(publication, nowMs, patienceMs)) {
      state.publication = undefined;
      state.aliveAtMs = publication.expiresAtMs - publicationTtlMs;
      this.#change(state, { state: session.SessionState.GAP, stateSinceMs: nowMs });
    }
    const { record } = state;
    const isOver =
      record.state === session.SessionState.GAP && nowMs - record.stateSinceMs >= record.graceSeconds * 1000;
    if (isOver) this.#change(state, { state: session.SessionState.ENDED, stateSinceMs: nowMs });
    for (const [encoderId, atMs] of state.takenOverAtMs) {
      if (nowMs - atMs >= takeBackHoldMs) state.takenOverAtMs.delete(encoderId);
    }
  }

  #change(state: ChannelState, change: Partial<session.SessionRecord>): void {
    state.record = { ...state.record, ...change, revision: state.record.revision + 1 };
    for (const watcher of this.#watchers) watcher.put(state.record.sessionId, state.record);
  }
}

/** True when nobody has renewed it for so long after that was first noticed. */
function hasLapsed(publication: Publication, nowMs: number, patienceMs: number): boolean {
  const { expiresAtMs, lapsedAtMs } = publication;
  if (expiresAtMs > nowMs) return false;
  if (lapsedAtMs === undefined || lapsedAtMs < expiresAtMs) publication.lapsedAtMs = nowMs;
  return nowMs - (publication.lapsedAtMs ?? nowMs) >= patienceMs;
}

/** What a change alters in a record: nothing when it comes a second time, because the first answer was lost. */
function changedFields(
  record: session.SessionRecord,
  { presentation, openPeriod, endPeriod, currentK, packagers }: SessionChange,
): Partial<session.SessionRecord> {
  const isEnding = record.periods.some(
    ({ ordinal, lastK }) => ordinal === endPeriod?.ordinal && lastK !== endPeriod.lastK,
  );
  const isOpening = openPeriod !== undefined && openPeriod.ordinal > (record.periods.at(-1)?.ordinal ?? -1);
  const periods = record.periods.map((period) =>
    period.ordinal === endPeriod?.ordinal ? { ...period, lastK: endPeriod.lastK } : period,
  );
  if (isOpening) periods.push(openPeriod);
  return {
    ...(isEnding || isOpening ? { periods: periods.slice(-MAX_RECENT_PERIODS) } : {}),
    // What players read once is fixed once.
    ...(presentation !== undefined && record.presentation === undefined ? { presentation } : {}),
    ...(currentK !== undefined && currentK > record.currentK ? { currentK } : {}),
    ...(packagers !== undefined && record.placement === undefined
      ? { placement: { epoch: 1, packagers: [...packagers] } }
      : {}),
  };
}

/** True for a move that was made before, and whose answer was lost. */
function isSamePlacement(one: session.Placement | undefined, other: session.Placement): boolean {
  if (one === undefined) return false;
  const bytes = (placement: session.Placement) => session.Placement.encode(placement).finish();
  return Buffer.compare(bytes(one), bytes(other)) === 0;
}

/** Whether an encoder of the other role leaves the air to the claiming one: that is nothing that encoders fight over. */
function stepsBack({ role, inputPreference }: PublishClaim): boolean {
  return role === control.PublishRole.PRIMARY && inputPreference !== session.InputPreference.EQUAL;
}

function refuseTakeover(
  state: ChannelState,
  claim: PublishClaim,
  nowMs: number,
): PublishClaimRefusal | undefined {
  if (claim.takeoverPolicy === session.TakeoverPolicy.REJECT) return 'in-use';
  if (state.takenOverAtMs.has(claim.encoderId)) {
    // An attempt renews the hold: an encoder that retries for ever does not swing back every 30 s.
    state.takenOverAtMs.set(claim.encoderId, nowMs);
    return 'taken-over';
  }
  state.takeoversMs = state.takeoversMs
    .filter((atMs) => nowMs - atMs < takeoverWindowMs)
    .slice(-takeoverLimit);
  if (state.takeoversMs.length < takeoverLimit) return undefined;
  // An attempt starts the minute anew: two encoders that hammer the channel stay out until they rest.
  state.takeoversMs = state.takeoversMs.map(() => nowMs);
  return 'too-many-takeovers';
}

function isForgettable(record: session.SessionRecord, nowMs: number): boolean {
  return record.state === session.SessionState.ENDED && nowMs - record.stateSinceMs >= endedRetentionMs;
}
