import { ServiceError } from '@millrace/runtime';
import type { PublishClaimRefusal } from '@millrace/runtime';

/** What encoders are told when they may not publish; the text is shown to people and names neither key nor channel. */

export function unknownApp(apps: readonly string[]): ServiceError {
  const known = apps.map((app) => `/${app}`).join(' or ');
  return new ServiceError(
    'NOT_FOUND',
    'INGEST_APP_UNKNOWN',
    `There is no such application here: the server URL must end in ${known}`,
  );
}

export function keyRejected(): ServiceError {
  return new ServiceError(
    'PERMISSION_DENIED',
    'INGEST_STREAM_KEY_REJECTED',
    'The stream key is not valid: copy it again from the channel it belongs to',
  );
}

export function tooManyWrongKeys(): ServiceError {
  return new ServiceError(
    'RESOURCE_EXHAUSTED',
    'INGEST_KEY_ATTEMPTS_LIMIT',
    'Too many wrong stream keys came from this address: check the key, and try again in a moment',
  );
}

export function channelDisabled(): ServiceError {
  return new ServiceError('PERMISSION_DENIED', 'INGEST_CHANNEL_DISABLED', 'The channel is disabled');
}

export function controlUnavailable(cause: unknown): ServiceError {
  return new ServiceError(
    'UNAVAILABLE',
    'INGEST_CONTROL_UNAVAILABLE',
    'The stream key cannot be checked just now: try again in a moment',
    { cause },
  );
}

export function storeUnavailable(cause: unknown): ServiceError {
  return new ServiceError(
    'UNAVAILABLE',
    'INGEST_STORE_UNAVAILABLE',
    'The session store does not answer: live channels go on, new ones have to wait',
    { cause },
  );
}

export function memoryExhausted(): ServiceError {
  return new ServiceError(
    'RESOURCE_EXHAUSTED',
    'INGEST_MEMORY_LIMIT',
    'This server holds as much media as it may: try again later or on another server',
  );
}

export function tooManyUnits(perSecond: number): ServiceError {
  return new ServiceError(
    'RESOURCE_EXHAUSTED',
    'INGEST_UNIT_LIMIT',
    `The encoder's timestamps come to more than ${perSecond} pictures and audio frames a second: let it send in real time`,
  );
}

export function tooManyPeriods(perMinute: number): ServiceError {
  return new ServiceError(
    'RESOURCE_EXHAUSTED',
    'INGEST_PERIOD_LIMIT',
    `The encoder's clock jumped or its settings changed more than ${perMinute} times within a minute: restart it with settings that stay`,
  );
}

export function shuttingDown(): ServiceError {
  return new ServiceError('UNAVAILABLE', 'INGEST_SHUTTING_DOWN', 'This server is shutting down: reconnect');
}

export function abandoned(): ServiceError {
  return new ServiceError('ABORTED', 'INGEST_ENCODER_GONE', 'The encoder went before it was admitted');
}

const CLAIM_REFUSALS: Readonly<Record<PublishClaimRefusal, readonly [id: string, text: string]>> = {
  'in-use': [
    'INGEST_CHANNEL_IN_USE',
    'Another encoder is publishing to this channel, and its policy is to keep it',
  ],
  'taken-over': [
    'INGEST_TAKEN_OVER',
    'Another encoder took this channel over and is delivering: stop it first, or wait 30 seconds',
  ],
  'too-many-takeovers': [
    'INGEST_TAKEOVER_LIMIT',
    'Encoders are fighting over this channel: stop all but one, and try again in a minute',
  ],
};

export function claimRefused(refusal: PublishClaimRefusal): ServiceError {
  const [id, text] = CLAIM_REFUSALS[refusal];
  return new ServiceError('ALREADY_EXISTS', id, text);
}
