import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { control } from '@millrace/contracts';
import type { session } from '@millrace/contracts';
import { jittered, ServiceError } from '@millrace/runtime';
import type { Clock, Control, Logger, PublishClaim, PublishOutcome, SessionStore } from '@millrace/runtime';
import { withDeadline } from './deadline.ts';
import type { KeyAttempts, KeyOutcome } from './key-attempts.ts';
import {
  abandoned,
  channelDisabled,
  claimRefused,
  controlUnavailable,
  keyRejected,
  storeUnavailable,
  tooManyWrongKeys,
  unknownApp,
} from './refusals.ts';
import type { GrantedClaim } from './standby-encoder.ts';

/** An encoder that wants to publish. */
export interface PublishRequest {
  readonly app: string;
  /** A secret; only its hash leaves the process. */
  readonly streamKey: string;
  readonly remoteAddress: string;
  /** What the encoder calls itself. */
  readonly encoder: string;
  /** Aborted when the encoder has gone. */
  readonly signal: AbortSignal;
}

/** An encoder that may publish. */
export interface Admission {
  readonly channel: session.Channel;
  readonly streamKeyId: string;
  readonly claim: PublishClaim;
  /** Unset for an encoder that has to stand by. */
  readonly granted: GrantedClaim | undefined;
}

/** What admission is built on. */
export interface AdmissionDependencies {
  readonly control: Pick<Control, 'authorizePublish'>;
  readonly store: Pick<SessionStore, 'claimPublication' | 'releasePublication'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The id of this ingest. */
  readonly instance: string;
  /** Where workers reach the relay, once they can. */
  readonly address: Promise<string>;
  readonly apps: readonly string[];
  /** How long a publication is held while its key cannot be checked or the store does not answer. */
  readonly storeHoldMs: number;
  readonly attempts: KeyAttempts;
}

/** What was taken back while a request was under way. */
interface TakenBack {
  readonly streamKeyIds: Set<string>;
  readonly channels: Set<string>;
}

const CONTROL_DEADLINE_MS = 5000;
const RETRY_INTERVAL_MS = 250;

/** Decides who may publish: by the key, then by a claim on the channel. */
export class PublishAdmission {
  readonly #dependencies: AdmissionDependencies;
  /** For each request under way what was taken back meanwhile: it opens nothing. */
  readonly #takenBackMeanwhile = new Set<TakenBack>();

  constructor(dependencies: AdmissionDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Admits an encoder; `beforeClaim` is told the channel as soon as it is known, and waited for. Throws `ServiceError` with the
   * text that it shows to people.
   */
  async admit(
    request: PublishRequest,
    beforeClaim?: (channel: string) => Promise<void> | void,
  ): Promise<Admission> {
    // From the start on: what takes a key back may overtake the answer that grants it.
    const takenBack: TakenBack = { streamKeyIds: new Set(), channels: new Set() };
    this.#takenBackMeanwhile.add(takenBack);
    try {
      const { channel, streamKeyId, role } = await this.#authorize(request);
      if (channel === undefined) {
        throw new ServiceError('INTERNAL', 'INGEST_GRANT_INCOMPLETE', 'The grant names no channel');
      }
      await beforeClaim?.(channel.name);
      const refusal = refusalOf(takenBack, streamKeyId, channel.name);
      if (refusal !== undefined) throw refusal;
      const claim: PublishClaim = {
        channel: channel.name,
        takeoverPolicy: channel.takeoverPolicy,
        inputPreference: channel.inputPreference,
        graceSeconds: channel.graceSeconds,
        ingest: { id: this.#dependencies.instance, address: await this.#dependencies.address },
        role,
        encoderId: `${request.remoteAddress} ${request.encoder}`,
      };
      const granted = await this.#claim(claim, request.signal);
      const lateRefusal = refusalOf(takenBack, streamKeyId, channel.name);
      if (lateRefusal !== undefined || request.signal.aborted) {
        if (granted !== undefined) this.#release(claim.channel, granted.token);
        throw lateRefusal ?? abandoned();
      }
      return { channel, streamKeyId, claim, granted };
    } finally {
      this.#takenBackMeanwhile.delete(takenBack);
    }
  }

  /** A key has been revoked: what is under way by it is refused. */
  revoke(streamKeyId: string): void {
    for (const { streamKeyIds } of this.#takenBackMeanwhile) streamKeyIds.add(streamKeyId);
  }

  /** A channel has been disabled: what is under way to it is refused. */
  disable(channel: string): void {
    for (const { channels } of this.#takenBackMeanwhile) channels.add(channel);
  }

  async #authorize(request: PublishRequest): Promise<control.PublishGrant> {
    const { apps, attempts } = this.#dependencies;
    const { app, remoteAddress, signal } = request;
    if (!apps.includes(app)) throw unknownApp(apps);
    if (request.streamKey === '') throw keyRejected();
    const streamKeySha256 = createHash('sha256').update(request.streamKey, 'utf8').digest();
    const sha256 = streamKeySha256.toString('hex');
    if (!attempts.begin(remoteAddress, sha256)) throw tooManyWrongKeys();
    let outcome: KeyOutcome = 'unknown';
    let holdMs = 0;
    try {
      const { result } = await this.#ask({ app, streamKeySha256, remoteAddress }, signal);
      outcome = outcomeOf(result);
      if (result?.$case === 'grant') return result.value;
      if (result?.value === control.PublishRefusal.APP) throw unknownApp(apps);
      if (result?.value === control.PublishRefusal.DISABLED) throw channelDisabled();
    } finally {
      holdMs = attempts.end(remoteAddress, sha256, outcome);
    }
    if (holdMs > 0) await delay(holdMs, undefined, { signal, ref: false }).catch(() => undefined);
    throw keyRejected();
  }

  /** Asks whose key it is; whoever cannot say so just now is given some time. */
  async #ask(
    request: control.AuthorizePublishRequest,
    signal: AbortSignal,
  ): Promise<control.AuthorizePublishResponse> {
    const { control: authority, clock, storeHoldMs, logger } = this.#dependencies;
    const deadlineMs = clock() + storeHoldMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await withDeadline(authority.authorizePublish(request), CONTROL_DEADLINE_MS);
      } catch (error) {
        if (signal.aborted) throw abandoned();
        const isRetryable = error instanceof ServiceError && error.retryable;
        if (!isRetryable || clock() + RETRY_INTERVAL_MS >= deadlineMs) {
          logger.error(
            { err: error },
            'Stream keys cannot be checked; publications are refused until they can',
          );
          throw controlUnavailable(error);
        }
        if (attempt === 1)
          logger.warn({ err: error }, 'A stream key cannot be checked; holding a publication');
        await new Promise((resolve) => setTimeout(resolve, jittered(RETRY_INTERVAL_MS)));
      }
    }
  }

  /** Claims the channel; a store that fails or does not answer is given some time. `undefined` is to stand by. */
  async #claim(claim: PublishClaim, signal: AbortSignal): Promise<GrantedClaim | undefined> {
    const { store, clock, storeHoldMs, logger } = this.#dependencies;
    const deadlineMs = clock() + storeHoldMs;
    for (let attempt = 1; ; attempt += 1) {
      const answer = store.claimPublication(claim);
      try {
        const outcome = await withDeadline(answer, deadlineMs - clock());
        if (outcome.kind === 'accepted') return outcome;
        if (outcome.refusal === 'standby') return undefined;
        throw claimRefused(outcome.refusal);
      } catch (error) {
        if (error instanceof ServiceError && !error.retryable) throw error;
        void this.#forget(claim.channel, answer);
        if (signal.aborted) throw abandoned();
        if (clock() + RETRY_INTERVAL_MS >= deadlineMs) throw storeUnavailable(error);
        if (attempt === 1) {
          logger.warn(
            { err: error, channel: claim.channel },
            'The session store fails; holding a publication',
          );
        }
        await new Promise((resolve) => setTimeout(resolve, jittered(RETRY_INTERVAL_MS)));
      }
    }
  }

  /** A claim that is granted after nobody waits for it any more is given back. */
  async #forget(channel: string, answer: Promise<PublishOutcome>): Promise<void> {
    const outcome = await answer.catch(() => undefined);
    if (outcome?.kind === 'accepted') this.#release(channel, outcome.token);
  }

  #release(channel: string, token: number): void {
    this.#dependencies.store.releasePublication(channel, token).catch((error: unknown) => {
      this.#dependencies.logger.warn({ err: error, channel }, 'A claim could not be given back; it expires');
    });
  }
}

/** A key of a channel that is disabled is a right one. */
function outcomeOf(result: control.AuthorizePublishResponse['result']): KeyOutcome {
  if (result?.$case === 'grant') return 'granted';
  if (result?.value === control.PublishRefusal.APP) return 'unknown';
  return result?.value === control.PublishRefusal.DISABLED ? 'granted' : 'refused';
}

function refusalOf(takenBack: TakenBack, streamKeyId: string, channel: string): ServiceError | undefined {
  if (takenBack.streamKeyIds.has(streamKeyId)) return keyRejected();
  return takenBack.channels.has(channel) ? channelDisabled() : undefined;
}
