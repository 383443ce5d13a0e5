import { expect } from '@jest/globals';
import * as fc from 'fast-check';
import { control, session } from '@millrace/contracts';
import { MemoryLeaseStore } from '../adapters/memory-lease-store.ts';
import { MemorySessionStore } from '../adapters/memory-session-store.ts';
import type { Lease, LeaseStore } from '../ports/lease-store.ts';
import type { PublishClaim, PublishOutcome, SessionStore } from '../ports/session-store.ts';

const CHANNELS = ['news', 'sport'] as const;
const PROCESSES = 2;
/** Around every limit of the rules, and what lies between. */
const STEPS_MS = [0, 1, 300, 999, 1000, 1001, 2999, 3000, 3001, 5000, 29_999, 30_000, 60_000];
/** What the stores forget after ten minutes is no part of the machine. */
const MAX_PASSED_MS = 9 * 60_000;
const GRACE_SECONDS = 5;

/** One thing that happens; numbers choose among what is there. */
export type ClaimStep =
  | {
      readonly do: 'claim';
      readonly process: number;
      readonly channel: number;
      readonly encoder: number;
      readonly isBackup: boolean;
      readonly isEqual: boolean;
      readonly isReject: boolean;
      readonly isAnswerLost: boolean;
    }
  | { readonly do: 'renew' | 'release'; readonly publication: number }
  | {
      readonly do: 'update';
      readonly publication: number;
      readonly k: number;
      readonly isAnswerLost: boolean;
    }
  | { readonly do: 'sweep' | 'crash'; readonly process: number }
  | {
      readonly do: 'acquire';
      readonly process: number;
      readonly channel: number;
      readonly isAnswerLost: boolean;
    }
  | { readonly do: 'place'; readonly process: number; readonly channel: number; readonly epoch: number }
  | { readonly do: 'callSuccessor' | 'announce'; readonly process: number; readonly channel: number }
  | { readonly do: 'commit'; readonly announcement: number }
  | { readonly do: 'standBy' | 'takeOver' | 'standDown'; readonly process: number; readonly channel: number }
  | { readonly do: 'renewLease' | 'releaseLease'; readonly lease: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'flush' };

/** The stores of some processes on one clock, and what can happen to them. */
export interface ClaimWorld {
  /** Time of the store, ms since 1970. */
  now(): number;
  advance(ms: number): void;
  sessions(process: number): SessionStore;
  leases(process: number): LeaseStore;
  /** The process ends without a word, and another one takes its place. */
  crash(process: number): void;
  /** The answer to the next call of the process is lost on the way. */
  loseAnswer?(process: number): Promise<void>;
  /** The store comes back empty. */
  flush?(): Promise<void>;
}

const nat = (max: number) => fc.nat({ max });
const process = nat(PROCESSES - 1);

/** Random lives of channels, as long as `maxSteps`. */
export function claimSteps(maxSteps: number): fc.Arbitrary<ClaimStep[]> {
  const channel = nat(CHANNELS.length - 1);
  const isAnswerLost = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('claim' as const),
        process,
        channel,
        encoder: nat(2),
        isBackup: fc.nat(3).map((n) => n === 0),
        isEqual: fc.boolean(),
        isReject: fc.boolean(),
        isAnswerLost,
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('renew' as const, 'release' as const),
        publication: nat(9),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('update' as const),
        publication: nat(9),
        k: nat(20),
        isAnswerLost,
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('sweep' as const), process }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), process }) },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('acquire' as const), process, channel, isAnswerLost }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('place' as const), process, channel, epoch: nat(4) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('callSuccessor' as const, 'announce' as const),
        process,
        channel,
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('commit' as const), announcement: nat(2) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('standBy' as const, 'takeOver' as const, 'standDown' as const),
        process,
        channel,
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('renewLease' as const, 'releaseLease' as const),
        lease: nat(9),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(...STEPS_MS) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  );
  const several = fc.oneof(
    { weight: 12, arbitrary: step.map((one) => [one]) },
    { weight: 1, arbitrary: story(step) },
  );
  return fc
    .array(several, { minLength: 1, maxLength: maxSteps, size: 'max' })
    .map((steps) => steps.flat().slice(0, maxSteps));
}

/** What rarely comes about by chance, a handover or a takeover by a standby, with steps left out and others in between. */
function story(step: fc.Arbitrary<ClaimStep>): fc.Arbitrary<ClaimStep[]> {
  const turn = fc.record({ isLeftOut: nat(7).map((n) => n === 0), between: fc.option(step, { freq: 6 }) });
  return fc
    .record({
      process,
      channel: nat(CHANNELS.length - 1),
      isHot: fc.boolean(),
      turns: fc.array(turn, { minLength: 7, maxLength: 7, size: 'max' }),
    })
    .map(({ process: first, channel, isHot, turns }) => {
      const [one, other] = [
        { process: first, channel },
        { process: PROCESSES - 1 - first, channel },
      ];
      const encoder = { encoder: 0, isBackup: false, isEqual: false, isReject: false, isAnswerLost: false };
      const begin: ClaimStep[] = [
        { do: 'claim', ...one, ...encoder },
        { do: 'acquire', ...one, isAnswerLost: false },
      ];
      const end: ClaimStep[] = isHot
        ? [
            { do: 'standBy', ...other },
            { do: 'takeOver', ...other },
            { do: 'renewLease', lease: 1 },
            { do: 'standBy', ...one },
          ]
        : [
            { do: 'callSuccessor', ...one },
            { do: 'announce', ...other },
            { do: 'commit', announcement: 0 },
            { do: 'renewLease', lease: 1 },
          ];
      return [...begin, ...end, { do: 'renewLease' as const, lease: 0 }].flatMap((planned, index) => {
        const { isLeftOut = false, between } = turns[index] ?? {};
        return [
          ...(isLeftOut ? [] : [planned]),
          ...(between === null || between === undefined ? [] : [between]),
        ];
      });
    });
}

interface Granted {
  readonly process: number;
  readonly channel: string;
  readonly token: number;
  /** The token that the reference gave for the same grant. */
  readonly referenceToken: number;
  readonly sessionId: string;
  /** The next ordinal of a period it opens. */
  nextOrdinal: number;
}

interface HeldLease {
  readonly process: number;
  readonly lease: Lease;
  /** What the reference gave for the same grant. */
  readonly reference: Lease | undefined;
  /** False once its worker gave it up, or heard that it has lost it: such a worker renews no more. */
  isBelieved: boolean;
}

/**
 * Takes the steps and checks what has to hold after each.
 *
 * Until the store has lost its data it does what the embedded store does, step by step. Always: the tokens of a channel rise,
 * only the newest one counts, and K, periods and revisions never step back.
 */
export class ClaimMachine {
  readonly #world: ClaimWorld;
  readonly #reference: MemorySessionStore;
  readonly #referenceLeases: MemoryLeaseStore;
  readonly #publications: Granted[] = [];
  readonly #leases: HeldLease[] = [];
  readonly #announced: HeldLease[] = [];
  readonly #newestToken = new Map<string, number>();
  readonly #newestLease = new Map<string, number>();
  readonly #newestSession = new Map<string, string>();
  readonly #referenceSession = new Map<string, string>();
  readonly #records = new Map<string, session.SessionRecord>();
  #passedMs = 0;
  #hasFlushed = false;

  constructor(world: ClaimWorld) {
    this.#world = world;
    this.#reference = new MemorySessionStore({ clock: () => world.now() });
    this.#referenceLeases = new MemoryLeaseStore({ clock: () => world.now() });
  }

  async take(step: ClaimStep): Promise<void> {
    switch (step.do) {
      case 'claim':
        return this.#claim(step);
      case 'renew':
      case 'release':
        return this.#holder(step.do, step.publication);
      case 'update':
        return this.#update(step);
      case 'sweep':
        return this.#sweep(step.process);
      case 'crash':
        this.#world.crash(step.process);
        remove(this.#publications, ({ process }) => process === step.process);
        remove(this.#leases, ({ process }) => process === step.process);
        remove(this.#announced, ({ process }) => process === step.process);
        return undefined;
      case 'acquire':
        return this.#acquire(step);
      case 'place':
        return this.#place(step);
      case 'callSuccessor':
      case 'announce':
        return this.#successor(step);
      case 'commit':
        return this.#commit(step.announcement);
      case 'standBy':
      case 'takeOver':
      case 'standDown':
        return this.#standby(step);
      case 'renewLease':
      case 'releaseLease':
        return this.#leaseHolder(step.do, step.lease);
      case 'advance':
        return this.#advance(step.ms);
      case 'flush':
        return this.#flush();
    }
  }

  async #claim({
    process,
    channel: index,
    encoder,
    isBackup,
    isEqual,
    isReject,
    isAnswerLost,
  }: ClaimStep & { readonly do: 'claim' }) {
    const channel = CHANNELS[index] ?? CHANNELS[0];
    const claim: PublishClaim = {
      channel,
      takeoverPolicy: isReject ? session.TakeoverPolicy.REJECT : session.TakeoverPolicy.TAKEOVER,
      graceSeconds: GRACE_SECONDS,
      ingest: { id: `ingest-${process}`, address: '' },
      role: isBackup ? control.PublishRole.BACKUP : control.PublishRole.PRIMARY,
      inputPreference: isEqual ? session.InputPreference.EQUAL : session.InputPreference.PRIMARY,
      encoderId: `encoder-${encoder}`,
    };
    if (isAnswerLost) await this.#world.loseAnswer?.(process);
    const outcome = await this.#world.sessions(process).claimPublication(claim);
    const expected = this.#hasFlushed ? undefined : await this.#reference.claimPublication(claim);
    if (expected !== undefined) this.#compareOutcomes(channel, outcome, expected);
    if (outcome.kind === 'refused') return;
    const { token, record, isNewSession } = outcome;
    expect(token).toBeGreaterThan(this.#newestToken.get(channel) ?? 0);
    expect(token).toBeGreaterThanOrEqual(this.#world.now());
    this.#newestToken.set(channel, token);
    const before = this.#newestSession.get(channel) ?? '';
    if (isNewSession) expect(record.sessionId > before).toBe(true);
    else if (!this.#hasFlushed) expect(record.sessionId).toBe(before);
    this.#newestSession.set(channel, record.sessionId);
    this.#see(record);
    if (expected?.kind === 'accepted') this.#referenceSession.set(channel, expected.record.sessionId);
    this.#publications.push({
      process,
      channel,
      token,
      referenceToken: expected?.kind === 'accepted' ? expected.token : 0,
      sessionId: record.sessionId,
      nextOrdinal: (record.periods.at(-1)?.ordinal ?? -1) + 1,
    });
  }

  #compareOutcomes(channel: string, outcome: PublishOutcome, expected: PublishOutcome): void {
    const pick = (value: PublishOutcome) =>
      value.kind === 'refused'
        ? value
        : {
            kind: value.kind,
            isNewSession: value.isNewSession,
            isTakeover: value.replacedToken !== undefined,
            idleMs: value.idleMs,
            isFailover: value.isFailover,
          };
    expect(pick(outcome)).toEqual(pick(expected));
    if (outcome.kind === 'refused' || expected.kind === 'refused') return;
    expect(withoutId(outcome.record)).toEqual(withoutId(expected.record));
    if (outcome.replacedToken !== undefined)
      expect(outcome.replacedToken).toBe(this.#newestToken.get(channel));
  }

  async #holder(what: 'renew' | 'release', index: number): Promise<void> {
    const held = pickFrom(this.#publications, index);
    if (held === undefined) return;
    const { process, channel, token, referenceToken } = held;
    const store = this.#world.sessions(process);
    if (what === 'release') {
      await store.releasePublication(channel, token);
      if (!this.#hasFlushed) await this.#reference.releasePublication(channel, referenceToken);
      return;
    }
    const isHeld = await store.renewPublication(channel, token);
    if (isHeld) expect(token).toBe(this.#newestToken.get(channel));
    if (!this.#hasFlushed)
      expect(isHeld).toBe(await this.#reference.renewPublication(channel, referenceToken));
  }

  async #update({ publication, k, isAnswerLost }: ClaimStep & { readonly do: 'update' }): Promise<void> {
    const held = pickFrom(this.#publications, publication);
    if (held === undefined) return;
    const { process, channel, token, referenceToken } = held;
    const ordinal = held.nextOrdinal;
    const change = {
      currentK: k,
      ...(k % 3 === 0
        ? { openPeriod: { ordinal, firstK: k, startTicks: 1, tracks: [], reason: 'first' } }
        : {}),
      ...(k % 5 === 0 ? { packagers: [{ id: `packager-${process}`, address: '' }] } : {}),
      ...(k % 2 === 0 && ordinal > 0 ? { endPeriod: { ordinal: ordinal - 1, lastK: k } } : {}),
    };
    if (isAnswerLost) await this.#world.loseAnswer?.(process);
    const isDone = await this.#world.sessions(process).update(channel, token, change);
    if (isDone) {
      expect(token).toBe(this.#newestToken.get(channel));
      if (k % 3 === 0) held.nextOrdinal += 1;
    }
    if (!this.#hasFlushed) expect(isDone).toBe(await this.#reference.update(channel, referenceToken, change));
  }

  async #sweep(process: number): Promise<void> {
    const told = await this.#world.sessions(process).sweep();
    for (const record of told) this.#see(record);
    if (this.#hasFlushed) return;
    const order = (records: readonly session.SessionRecord[]) =>
      records.map(withoutId).toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
    expect(order(told)).toEqual(order(await this.#reference.sweep()));
  }

  async #acquire({
    process,
    channel: index,
    isAnswerLost,
  }: ClaimStep & { readonly do: 'acquire' }): Promise<void> {
    const channel = CHANNELS[index] ?? CHANNELS[0];
    const sessionId = this.#newestSession.get(channel);
    if (sessionId === undefined) return;
    const request = { channel, sessionId, workerId: `worker-${process}`, from: { k: 1, part: 0 } };
    if (isAnswerLost) await this.#world.loseAnswer?.(process);
    const lease = await this.#world.leases(process).acquire(request);
    // A store of several processes may hold a lease back for a while after an outage; it never gives one that is another's.
    if (lease === undefined) return;
    expect(lease.token).toBeGreaterThanOrEqual(this.#world.now());
    const reference = this.#hasFlushed ? undefined : await this.#referenceLeases.acquire(request);
    this.#seeLease(process, lease, reference);
  }

  /** Of those who move a session at the same time one does, with the next epoch. */
  async #place({ process, channel: index, epoch }: ClaimStep & { readonly do: 'place' }): Promise<void> {
    const channel = CHANNELS[index] ?? CHANNELS[0];
    const sessionId = this.#newestSession.get(channel);
    if (sessionId === undefined) return;
    const placement = { epoch, packagers: [{ id: `packager-${process}`, address: '' }] };
    const isPlaced = await this.#world.sessions(process).place(channel, sessionId, placement);
    if (this.#hasFlushed) return;
    const reference = this.#referenceSession.get(channel) ?? '';
    expect(isPlaced).toBe(await this.#reference.place(channel, reference, placement));
  }

  async #successor({
    do: what,
    process,
    channel: index,
  }: ClaimStep & { readonly do: 'callSuccessor' | 'announce' }): Promise<void> {
    const channel = CHANNELS[index] ?? CHANNELS[0];
    const sessionId = this.#newestSession.get(channel);
    if (sessionId === undefined) return;
    const [store, reference] = [this.#world.leases(process), this.#referenceLeases];
    if (what === 'callSuccessor') {
      const isCalled = await store.callSuccessor({ channel, sessionId });
      if (!this.#hasFlushed) expect(isCalled).toBe(await reference.callSuccessor({ channel, sessionId }));
      return;
    }
    const request = { channel, sessionId, workerId: `worker-${process}`, from: { k: 2, part: 0 } };
    const lease = await store.announce(request);
    const expected = this.#hasFlushed ? undefined : await reference.announce(request);
    if (!this.#hasFlushed) expect(lease === undefined).toBe(expected === undefined);
    if (lease === undefined) return;
    expect(lease.token).toBeGreaterThan(this.#newestLease.get(channel) ?? 0);
    this.#announced.push({ process, lease, reference: expected, isBelieved: true });
  }

  async #commit(index: number): Promise<void> {
    const announced = pickFrom(this.#announced, index);
    if (announced === undefined) return;
    const { process, lease, reference } = announced;
    const isCommitted = await this.#world.leases(process).commit(lease);
    if (!this.#hasFlushed && reference !== undefined)
      expect(isCommitted).toBe(await this.#referenceLeases.commit(reference));
    if (!isCommitted) return;
    remove(this.#announced, (other) => other === announced);
    this.#seeLease(process, lease, reference);
  }

  async #standby({
    do: what,
    process,
    channel: index,
  }: ClaimStep & { readonly do: 'standBy' | 'takeOver' | 'standDown' }) {
    const channel = CHANNELS[index] ?? CHANNELS[0];
    const sessionId = this.#newestSession.get(channel);
    if (sessionId === undefined) return;
    const standby = { channel, sessionId, workerId: `worker-${process}` };
    const [store, reference] = [this.#world.leases(process), this.#referenceLeases];
    if (what === 'standDown') {
      await store.standDown(standby);
      if (!this.#hasFlushed) await reference.standDown(standby);
    } else if (what === 'standBy') {
      const state = await store.standBy(standby);
      const expected = this.#hasFlushed ? state : await reference.standBy(standby);
      // After an outage a store of several processes takes no leader for gone that it could not hear.
      if (state !== 'standing-by' || expected === 'lost') expect(state).toBe(expected);
    } else {
      const request = { ...standby, from: { k: 1, part: 0 } };
      const lease = await store.takeOver(request);
      const expected = this.#hasFlushed ? undefined : await reference.takeOver(request);
      if (!this.#hasFlushed) expect(lease === undefined).toBe(expected === undefined);
      if (lease !== undefined) this.#seeLease(process, lease, expected);
    }
  }

  /** A lease was given: its token is the highest. */
  #seeLease(process: number, lease: Lease, reference: Lease | undefined): void {
    const { channel, token } = lease;
    expect(token).toBeGreaterThan(this.#newestLease.get(channel) ?? 0);
    this.#newestLease.set(channel, token);
    if (!this.#hasFlushed) expect(reference).toBeDefined();
    this.#leases.push({ process, lease, reference, isBelieved: true });
  }

  async #leaseHolder(what: 'renewLease' | 'releaseLease', index: number): Promise<void> {
    const held = pickFrom(this.#leases, index);
    if (held === undefined) return;
    const { process, lease, reference } = held;
    const store = this.#world.leases(process);
    if (what === 'releaseLease') {
      await store.release(lease);
      held.isBelieved = false;
      if (reference !== undefined) await this.#referenceLeases.release(reference);
      return;
    }
    const { kind } = await store.renew(lease);
    const isHeld = kind === 'held';
    if (!isHeld) held.isBelieved = false;
    if (isHeld && !this.#hasFlushed) expect(lease.token).toBe(this.#newestLease.get(lease.channel));
    if (!this.#hasFlushed && reference !== undefined)
      expect(kind).toBe((await this.#referenceLeases.renew(reference)).kind);
  }

  #advance(ms: number): void {
    if (this.#passedMs + ms > MAX_PASSED_MS) return;
    this.#passedMs += ms;
    this.#world.advance(ms);
  }

  /** The store comes back empty, and the writers that are there renew, as they do every 300 ms: nothing of theirs is lost. */
  async #flush(): Promise<void> {
    if (this.#world.flush === undefined) return;
    const held = [];
    for (const granted of this.#publications) {
      const { process, channel, token } = granted;
      if (await this.#world.sessions(process).renewPublication(channel, token)) held.push(granted);
    }
    // Nothing is emptied within the millisecond of a grant.
    this.#world.advance(100);
    await this.#world.flush();
    this.#hasFlushed = true;
    for (const { process, channel, token } of held) {
      expect(await this.#world.sessions(process).renewPublication(channel, token)).toBe(true);
      expect(await this.#world.sessions(process).update(channel, token, { currentK: 0 })).toBe(true);
    }
    await this.#renewBelieved();
    await this.#renewBelieved();
    for (const channel of CHANNELS) {
      const tokens = this.#leases
        .filter(({ isBelieved, lease }) => isBelieved && lease.channel === channel)
        .map(({ lease }) => lease.token);
      expect(tokens.length).toBeLessThanOrEqual(1);
    }
  }

  /** A worker that was late may bring its lease back first; the newest of those that are left has it in the end. */
  async #renewBelieved(): Promise<void> {
    for (const held of this.#leases.filter(({ isBelieved }) => isBelieved)) {
      const isNewest = this.#leases.every(
        ({ isBelieved, lease }) =>
          !isBelieved || lease.channel !== held.lease.channel || lease.token <= held.lease.token,
      );
      const { kind } = await this.#world.leases(held.process).renew(held.lease);
      held.isBelieved = kind === 'held';
      if (isNewest) expect(held.isBelieved).toBe(true);
    }
  }

  /** What is seen of a record only goes forward. */
  #see(record: session.SessionRecord): void {
    const before = this.#records.get(record.sessionId);
    if (before !== undefined && before.revision < record.revision) {
      expect(record.currentK).toBeGreaterThanOrEqual(before.currentK);
      const ordinals = record.periods.map(({ ordinal }) => ordinal);
      expect(ordinals).toEqual([...new Set(ordinals)].toSorted((a, b) => a - b));
      expect(ordinals.slice(0, before.periods.length)).toEqual(before.periods.map(({ ordinal }) => ordinal));
      expect(record.placement?.epoch ?? 0).toBeGreaterThanOrEqual(before.placement?.epoch ?? 0);
      if (before.state === session.SessionState.ENDED) expect(record.state).toBe(session.SessionState.ENDED);
    }
    if (before === undefined || before.revision < record.revision)
      this.#records.set(record.sessionId, record);
  }
}

/** A record without what every store chooses for itself. */
function withoutId({ sessionId: _sessionId, ...rest }: session.SessionRecord) {
  return { ...rest, periods: rest.periods.map(({ ordinal, lastK }) => [ordinal, lastK]) };
}

function pickFrom<T>(items: readonly T[], index: number): T | undefined {
  // Mostly one of the newest.
  return items.at(-1 - (index % Math.max(items.length, 1)));
}

function remove<T>(items: T[], isGone: (item: T) => boolean): void {
  items.splice(0, items.length, ...items.filter((item) => !isGone(item)));
}
