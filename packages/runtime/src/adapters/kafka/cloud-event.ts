import { marshalEvent, parseEvent } from '@millrace/contracts';
import type { EventEnvelope } from '../../ports/event-bus.ts';

/** A record as it is written to a topic. */
export interface EventRecord {
  /** Key: the channel. */
  readonly key: string;
  /** The protobuf message. */
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** Key, value and headers together, about. */
  readonly bytes: number;
}

/** A record as it is read from a topic: anybody may have written it. */
export interface ReceivedRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;
}

const RECORD_OVERHEAD_BYTES = 32;
/** Longest attribute that is believed. */
const MAX_ATTRIBUTE_LENGTH = 512;

/**
 * Marshals an event to a CloudEvent 1.0 in binary mode (Kafka protocol binding 3.2): attributes in headers, data in the value.
 *
 * Throws `RangeError` when the time is no time.
 */
export function marshalCloudEvent(envelope: EventEnvelope): EventRecord {
  const { ceType, data } = marshalEvent(envelope.event);
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: envelope.id,
    ce_type: ceType,
    ce_source: envelope.source,
    ce_time: new Date(envelope.timeMs).toISOString(),
    'content-type': 'application/protobuf',
  };
  if (envelope.subject !== '') headers['ce_subject'] = envelope.subject;
  if (envelope.traceparent !== undefined) headers['traceparent'] = envelope.traceparent;
  let bytes = RECORD_OVERHEAD_BYTES + Buffer.byteLength(envelope.channel) + data.byteLength;
  for (const [name, value] of Object.entries(headers)) bytes += name.length + Buffer.byteLength(value) + 2;
  return {
    key: envelope.channel,
    value: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    headers,
    bytes,
  };
}

/**
 * Parses what `marshalCloudEvent` wrote, by whomever; `undefined` for a type that this build does not know.
 *
 * Throws when an attribute is missing or malformed, or when the data is not the message that `ce_type` names.
 */
export function parseCloudEvent(record: ReceivedRecord): EventEnvelope | undefined {
  const event = parseEvent(attribute(record, 'ce_type'), record.value ?? Buffer.alloc(0));
  if (event === undefined) return undefined;
  const timeMs = Date.parse(attribute(record, 'ce_time'));
  if (!Number.isFinite(timeMs)) throw new Error('ce_time is no RFC 3339 time');
  const traceparent = optionalAttribute(record, 'traceparent');
  return {
    id: attribute(record, 'ce_id'),
    source: attribute(record, 'ce_source'),
    timeMs,
    subject: optionalAttribute(record, 'ce_subject') ?? '',
    channel: record.key?.toString('utf8') ?? '',
    ...(traceparent === undefined ? {} : { traceparent }),
    event,
  };
}

function attribute(record: ReceivedRecord, name: string): string {
  const value = optionalAttribute(record, name);
  if (value === undefined || value === '') throw new Error(`the header ${name} is missing`);
  return value;
}

function optionalAttribute(record: ReceivedRecord, name: string): string | undefined {
  const raw = record.headers?.[name];
  if (raw === undefined) return undefined;
  if (Array.isArray(raw)) throw new Error(`the header ${name} is there ${raw.length} times`);
  if (raw.length > MAX_ATTRIBUTE_LENGTH) {
    throw new Error(
      `the header ${name} has ${raw.length} bytes; at most ${MAX_ATTRIBUTE_LENGTH} are expected`,
    );
  }
  return raw.toString();
}
