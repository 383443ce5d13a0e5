import type { RtmpPhase } from '@millrace/rtmp';
import type { IngestConfig } from '../config.ts';
import type { ConnectionRefusal } from './connection-refusals.ts';

/** What the deadlines of a connection are judged by; times in ms since 1970. */
export interface ConnectionTimes {
  readonly phase: RtmpPhase;
  readonly phaseSinceMs: number;
  readonly openedAtMs: number;
  /** When the last bytes came. */
  readonly lastInputMs: number;
  readonly lastMediaMs: number | undefined;
  readonly lastPingMs: number;
  readonly hasPublication: boolean;
}

/** What a connection has to do now. */
export type DeadlineVerdict = 'none' | 'ping' | 'media-lost' | { readonly refuse: ConnectionRefusal };

/** A peer that is silent for this long is asked for a sign of life; media is one as well. */
const PING_AFTER_MS = 10_000;

/** Judges a connection's deadlines. */
export function judgeDeadlines(
  times: ConnectionTimes,
  limits: IngestConfig['limits'],
  nowMs: number,
): DeadlineVerdict {
  const { phase, phaseSinceMs, openedAtMs, lastInputMs, lastMediaMs, lastPingMs } = times;
  const isPast = (sinceMs: number, seconds: number): boolean => nowMs - sinceMs > seconds * 1000;
  switch (phase) {
    case 'handshake':
      if (isPast(phaseSinceMs, limits.handshakeSeconds)) return { refuse: 'INGEST_HANDSHAKE_TIMEOUT' };
      break;
    case 'connecting':
      if (isPast(phaseSinceMs, limits.connectSeconds)) return { refuse: 'INGEST_CONNECT_TIMEOUT' };
      break;
    case 'connected':
      if (isPast(phaseSinceMs, limits.publishSeconds)) return { refuse: 'INGEST_PUBLISH_TIMEOUT' };
      break;
    case 'publishing':
      if (times.hasPublication && isPast(lastMediaMs ?? phaseSinceMs, limits.mediaLostSeconds))
        return 'media-lost';
      break;
    case 'authorizing':
      // The decision has deadlines of its own, and the socket is not read meanwhile.
      return 'none';
    case 'closed':
      return 'none';
  }
  // A publication may begin long after its connection.
  const idleSinceMs = lastMediaMs ?? (phase === 'publishing' ? phaseSinceMs : openedAtMs);
  if (isPast(idleSinceMs, limits.idleSeconds)) return { refuse: 'INGEST_IDLE_TIMEOUT' };
  if (isPast(lastInputMs, limits.connectionTimeoutSeconds)) return { refuse: 'INGEST_CONNECTION_TIMEOUT' };
  const isSilent = nowMs - Math.max(lastInputMs, lastPingMs) > PING_AFTER_MS;
  return isSilent && phase !== 'handshake' && phase !== 'connecting' ? 'ping' : 'none';
}
