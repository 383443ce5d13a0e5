import { describe, expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import { createLogger, ServiceError } from '@millrace/runtime';
import type { PublishClaim, PublishOutcome } from '@millrace/runtime';
import { ingestConfigSchema } from '../config.ts';
import { KeyAttempts } from './key-attempts.ts';
import { PublishAdmission } from './publish-admission.ts';
import type { AdmissionDependencies, PublishRequest } from './publish-admission.ts';

const logger = createLogger({ service: 'ingest', level: 'error', destination: { write: () => true } });
const CHANNEL: session.Channel = {
  name: 'news',
  segmentDurationSeconds: undefined,
  segmentFromSource: false,
  partDurationSeconds: undefined,
  ladder: [],
  preset: session.Preset.LOW_LATENCY,
  isVariableFrameRate: false,
  redundancy: session.Redundancy.NONE,
  takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
  inputPreference: session.InputPreference.PRIMARY,
  graceSeconds: 30,
  windowSegments: 6,
  audioBitrateBps: 128_000,
};
const RECORD: session.SessionRecord = {
  sessionId: 's1',
  channel: 'news',
  state: session.SessionState.LIVE,
  openedAtMs: 0,
  stateSinceMs: 0,
  graceSeconds: 30,
  periods: [],
  currentK: 0,
  revision: 1,
};
const ACCEPTED: PublishOutcome = {
  ...{ kind: 'accepted', token: 5, record: RECORD, isNewSession: true, idleMs: 0, isFailover: false },
};

function admissionOf(
  change: Partial<Omit<AdmissionDependencies, 'store'>> & {
    readonly claim?: (claim: PublishClaim) => Promise<PublishOutcome>;
  } = {},
): { admission: PublishAdmission; released: number[] } {
  const released: number[] = [];
  const { claim, ...others } = change;
  const admission = new PublishAdmission({
    control: {
      authorizePublish: async () => ({
        result: {
          $case: 'grant',
          value: { channel: CHANNEL, role: control.PublishRole.PRIMARY, streamKeyId: 'k1' },
        },
      }),
    },
    store: {
      claimPublication: claim ?? (async () => ACCEPTED),
      releasePublication: async (_channel, token) => void released.push(token),
    },
    clock: Date.now,
    logger,
    instance: 'ingest-1',
    address: Promise.resolve(''),
    apps: ['live'],
    storeHoldMs: 50,
    attempts: new KeyAttempts(ingestConfigSchema.parse({}).limits, Date.now),
    ...others,
  });
  return { admission, released };
}

function requestOf(change: Partial<PublishRequest> = {}): PublishRequest {
  const signal = new AbortController().signal;
  return { app: 'live', streamKey: 'secret', remoteAddress: '1.2.3.4', encoder: 'OBS', signal, ...change };
}

describe('admission', () => {
  test('only the hash of the key is shown to anyone', async () => {
    const asked: control.AuthorizePublishRequest[] = [];
    const { admission } = admissionOf({
      control: {
        authorizePublish: async (request) => {
          asked.push(request);
          return { result: { $case: 'refusal', value: control.PublishRefusal.KEY } };
        },
      },
    });
    await expect(admission.admit(requestOf())).rejects.toMatchObject({ id: 'INGEST_STREAM_KEY_REJECTED' });
    expect(asked[0]?.streamKeySha256).toHaveLength(32);
    expect(JSON.stringify(asked)).not.toContain('secret');
  });

  test.each<[string, PublishOutcome | undefined, control.PublishRefusal | undefined, string]>([
    ['a key that is not known', undefined, control.PublishRefusal.KEY, 'INGEST_STREAM_KEY_REJECTED'],
    ['a disabled channel', undefined, control.PublishRefusal.DISABLED, 'INGEST_CHANNEL_DISABLED'],
    ['an application', undefined, control.PublishRefusal.APP, 'INGEST_APP_UNKNOWN'],
    ['a channel in use', { kind: 'refused', refusal: 'in-use' }, undefined, 'INGEST_CHANNEL_IN_USE'],
    ['a take-back', { kind: 'refused', refusal: 'taken-over' }, undefined, 'INGEST_TAKEN_OVER'],
    ['a fight', { kind: 'refused', refusal: 'too-many-takeovers' }, undefined, 'INGEST_TAKEOVER_LIMIT'],
  ])('%s is refused by its name', async (_name, outcome, refusal, id) => {
    const { admission } = admissionOf({
      ...(outcome === undefined ? {} : { claim: async () => outcome }),
      ...(refusal === undefined
        ? {}
        : { control: { authorizePublish: async () => ({ result: { $case: 'refusal', value: refusal } }) } }),
    });
    await expect(admission.admit(requestOf())).rejects.toMatchObject({ id });
  });

  test('an empty key and an unknown application are refused without asking', async () => {
    const authorizePublish = (): never => {
      throw new Error('asked');
    };
    const { admission } = admissionOf({ control: { authorizePublish } });
    await expect(admission.admit(requestOf({ streamKey: '' }))).rejects.toMatchObject({
      id: 'INGEST_STREAM_KEY_REJECTED',
    });
    await expect(admission.admit(requestOf({ app: 'other' }))).rejects.toMatchObject({
      id: 'INGEST_APP_UNKNOWN',
    });
  });

  test('when keys cannot be checked nobody is admitted', async () => {
    const { admission } = admissionOf({
      control: {
        authorizePublish: async () => {
          throw new Error('down');
        },
      },
    });
    await expect(admission.admit(requestOf())).rejects.toMatchObject({ id: 'INGEST_CONTROL_UNAVAILABLE' });
  });

  test('a publication is held while its key cannot be checked, and admitted when it can', async () => {
    let attempts = 0;
    const { admission } = admissionOf({
      storeHoldMs: 5000,
      control: {
        authorizePublish: async () => {
          attempts += 1;
          if (attempts === 1) throw new ServiceError('UNAVAILABLE', 'DOWN', 'down', { retryable: true });
          const value = { channel: CHANNEL, role: control.PublishRole.PRIMARY, streamKeyId: 'k1' };
          return { result: { $case: 'grant', value } };
        },
      },
    });
    expect((await admission.admit(requestOf())).granted?.token).toBe(5);
    expect(attempts).toBe(2);
  });

  test('a key that cannot be checked in time is refused with what to do', async () => {
    const { admission } = admissionOf({
      control: {
        authorizePublish: async () => {
          throw new ServiceError('UNAVAILABLE', 'DOWN', 'down', { retryable: true });
        },
      },
    });
    await expect(admission.admit(requestOf())).rejects.toMatchObject({ id: 'INGEST_CONTROL_UNAVAILABLE' });
  });

  test('a publication is held while the store fails, and admitted when it is back', async () => {
    let attempts = 0;
    const { admission } = admissionOf({
      storeHoldMs: 5000,
      claim: async () => {
        attempts += 1;
        if (attempts === 1) throw new Error('down');
        return ACCEPTED;
      },
    });
    expect((await admission.admit(requestOf())).granted?.token).toBe(5);
    expect(attempts).toBe(2);
  });

  test('a store that does not answer in time refuses, and what it grants later is given back', async () => {
    const late = Promise.withResolvers<PublishOutcome>();
    const { admission, released } = admissionOf({ claim: () => late.promise });
    await expect(admission.admit(requestOf())).rejects.toMatchObject({ id: 'INGEST_STORE_UNAVAILABLE' });
    late.resolve(ACCEPTED);
    await new Promise((resolve) => setImmediate(resolve));
    expect(released).toEqual([5]);
  });

  test.each<[string, (admission: PublishAdmission, gone: AbortController) => void, string]>([
    ['a key that was revoked', (admission) => admission.revoke('k1'), 'INGEST_STREAM_KEY_REJECTED'],
    ['a channel that was disabled', (admission) => admission.disable('news'), 'INGEST_CHANNEL_DISABLED'],
    ['an encoder that has gone', (_admission, gone) => gone.abort(), 'INGEST_ENCODER_GONE'],
  ])('%s meanwhile opens nothing, and the claim is given back', async (_name, takeBack, id) => {
    const claimed = Promise.withResolvers<PublishOutcome>();
    const gone = new AbortController();
    const { admission, released } = admissionOf({ storeHoldMs: 5000, claim: () => claimed.promise });
    const admitted = admission.admit(requestOf({ signal: gone.signal }));
    await new Promise((resolve) => setImmediate(resolve));
    admission.revoke('another');
    admission.disable('another');
    takeBack(admission, gone);
    claimed.resolve(ACCEPTED);
    await expect(admitted).rejects.toMatchObject({ id });
    expect(released).toEqual([5]);
  });

  test.each<[string, (admission: PublishAdmission) => void, string]>([
    ['a key that is revoked', (admission) => admission.revoke('k1'), 'INGEST_STREAM_KEY_REJECTED'],
    ['a channel that is disabled', (admission) => admission.disable('news'), 'INGEST_CHANNEL_DISABLED'],
  ])('%s while it is still being checked opens nothing either', async (_name, takeBack, id) => {
    const checked = Promise.withResolvers<control.AuthorizePublishResponse>();
    const { admission, released } = admissionOf({ control: { authorizePublish: () => checked.promise } });
    const admitted = admission.admit(requestOf());
    takeBack(admission);
    const value = { channel: CHANNEL, role: control.PublishRole.PRIMARY, streamKeyId: 'k1' };
    checked.resolve({ result: { $case: 'grant', value } });
    await expect(admitted).rejects.toMatchObject({ id });
    expect(released).toEqual([]);
    expect((await admission.admit(requestOf())).streamKeyId).toBe('k1');
  });
});
