import { session } from '@millrace/contracts';
import { ServiceError } from '../../service-error.ts';
import type { RedisReply } from './redis-script.ts';

/** Name and value of each field of a hash, in turn. */
export type HashFields = readonly (string | Uint8Array)[];

/**
 * The fields of a record's hash, without its revision, which the scripts count.
 *
 * Numbers are decimal text; what no script looks into is protobuf: `presentation` and `period <ordinal>`. `periods` lists the
 * ordinals that are kept, oldest first; a period that has ended has `lastK <ordinal>`.
 */
export function marshalSessionRecord(record: session.SessionRecord): HashFields {
  const fields: (string | Uint8Array)[] = [
    ...['sessionId', record.sessionId, 'channel', record.channel],
    ...['state', String(record.state), 'openedAtMs', String(record.openedAtMs)],
    ...['stateSinceMs', String(record.stateSinceMs), 'graceSeconds', String(record.graceSeconds)],
    ...[
      'currentK',
      String(record.currentK),
      'periods',
      record.periods.map(({ ordinal }) => ordinal).join(','),
    ],
  ];
  if (record.presentation !== undefined)
    fields.push('presentation', marshalPresentation(record.presentation));
  if (record.ingest !== undefined)
    fields.push('ingestId', record.ingest.id, 'ingestAddress', record.ingest.address);
  if (record.encoder !== undefined) fields.push('encoder', record.encoder);
  if (record.placement !== undefined) {
    fields.push('placementEpoch', String(record.placement.epoch));
    fields.push('packagers', marshalPackagers(record.placement.packagers));
  }
  for (const period of record.periods) {
    fields.push(`period ${period.ordinal}`, marshalPeriod(period));
    if (period.lastK !== undefined) fields.push(`lastK ${period.ordinal}`, String(period.lastK));
  }
  return fields;
}

/** What players read once, as its field holds it. */
export function marshalPresentation(presentation: session.Presentation): Uint8Array {
  return session.Presentation.encode(presentation).finish();
}

/** The packagers of a placement, as their field holds them: without the epoch, which has a field of its own. */
export function marshalPackagers(packagers: readonly session.Peer[]): Uint8Array {
  return session.Placement.encode({ epoch: 0, packagers: [...packagers] }).finish();
}

/** A period as its field holds it: without its last K, which has a field of its own. */
export function marshalPeriod(period: session.Period): Uint8Array {
  const { lastK: _lastK, ...open } = period;
  return session.Period.encode(open).finish();
}

/** Reads the hash of a record as HGETALL gives it; `undefined` when there is none. Throws `REDIS_RECORD_INVALID`. */
export function parseSessionRecord(reply: RedisReply | undefined): session.SessionRecord | undefined {
  if (!Array.isArray(reply) || reply.length === 0) return undefined;
  const fields = new Map<string, Buffer>();
  for (let index = 0; index + 1 < reply.length; index += 2) {
    const [name, value] = [reply[index] as RedisReply, reply[index + 1] as RedisReply];
    if (Buffer.isBuffer(name) && Buffer.isBuffer(value)) fields.set(name.toString(), value);
  }
  const number = (name: string): number => parseInteger(name, fields.get(name));
  try {
    const presentation = fields.get('presentation');
    return {
      sessionId: required(fields, 'sessionId').toString(),
      channel: required(fields, 'channel').toString(),
      state: parseState(number('state')),
      openedAtMs: number('openedAtMs'),
      stateSinceMs: number('stateSinceMs'),
      graceSeconds: number('graceSeconds'),
      ...(presentation === undefined ? {} : { presentation: session.Presentation.decode(presentation) }),
      periods: parsePeriods(fields),
      currentK: number('currentK'),
      revision: number('revision'),
      ...parseIngest(fields),
      ...parseEncoder(fields),
      ...parsePlacement(fields),
    };
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    throw invalid(`its protobuf is damaged: ${String(error)}`);
  }
}

function parsePeriods(fields: ReadonlyMap<string, Buffer>): session.Period[] {
  const ordinals = fields.get('periods')?.toString() ?? '';
  if (ordinals === '') return [];
  return ordinals.split(',').map((ordinal) => {
    const period = session.Period.decode(required(fields, `period ${ordinal}`));
    const lastK = fields.get(`lastK ${ordinal}`);
    return lastK === undefined ? period : { ...period, lastK: parseInteger('lastK', lastK) };
  });
}

function parseIngest(fields: ReadonlyMap<string, Buffer>): Pick<session.SessionRecord, 'ingest'> {
  const id = fields.get('ingestId');
  return id === undefined
    ? {}
    : { ingest: { id: id.toString(), address: required(fields, 'ingestAddress').toString() } };
}

function parseEncoder(fields: ReadonlyMap<string, Buffer>): Pick<session.SessionRecord, 'encoder'> {
  const encoder = fields.get('encoder');
  return encoder === undefined ? {} : { encoder: encoder.toString() };
}

function parsePlacement(fields: ReadonlyMap<string, Buffer>): Pick<session.SessionRecord, 'placement'> {
  const packagers = fields.get('packagers');
  if (packagers === undefined) return {};
  const epoch = parseInteger('placementEpoch', fields.get('placementEpoch'));
  return { placement: { ...session.Placement.decode(packagers), epoch } };
}

function parseState(value: number): session.SessionState {
  const state = Object.values(session.SessionState).find((known) => known === value);
  if (state === undefined) throw invalid(`state is ${value}`);
  return state;
}

function required(fields: ReadonlyMap<string, Buffer>, name: string): Buffer {
  const value = fields.get(name);
  if (value === undefined) throw invalid(`${name} is missing`);
  return value;
}

function parseInteger(name: string, value: Buffer | undefined): number {
  const number = value === undefined ? Number.NaN : Number(value.toString());
  if (!Number.isSafeInteger(number) || number < 0) throw invalid(`${name} is not a whole number`);
  return number;
}

function invalid(what: string): ServiceError {
  return new ServiceError(
    'INTERNAL',
    'REDIS_RECORD_INVALID',
    `A session record in Redis cannot be read: ${what}.`,
  );
}
