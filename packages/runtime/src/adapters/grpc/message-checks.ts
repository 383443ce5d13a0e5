import { control, relay } from '@millrace/contracts';
import type { segmentIndex, sink, twin } from '@millrace/contracts';
import { invalidMessage } from './method.ts';

/** Ids are ULIDs and names of ours; a longer text is nobody's. */
const MAX_ID_CHARACTERS = 256;
/** What people and encoders write. */
const MAX_TEXT_CHARACTERS = 4096;
/** More than a packager keeps of a session, so that a header costs next to nothing. */
const MAX_CLAIMS = 64;
const MAX_RENDITIONS = 256;
const MAX_RANGES = 1024;

/**
 * What a message over the wire has to keep beside its types, before a port sees it. Decoding has made sure of the types and of
 * integers that a `number` holds; what the values mean is the port's to judge.
 */

/** Reads of a session begin somewhere in it. */
export function checkSubscribe({ sessionId }: relay.SubscribeRequest): void {
  requireId(sessionId, 'session_id');
}

/** A new period has a session and a reason. */
export function checkOpenPeriod({ sessionId, reason }: relay.OpenPeriodRequest): void {
  requireId(sessionId, 'session_id');
  requireAtMost(reason, MAX_TEXT_CHARACTERS, 'reason');
}

/** A watch has a session. */
export function checkWatch({ sessionId }: segmentIndex.WatchRequest): void {
  requireId(sessionId, 'session_id');
}

/** A copy is of a session. */
export function checkFollow({ sessionId }: twin.FollowRequest): void {
  requireId(sessionId, 'session_id');
}

/** What a packager gives another is one of the kinds that are known; lists are as long as a packager's can be. */
export function checkFollowAnswer({ payload }: twin.FollowResponse): void {
  if (payload === undefined) throw invalidMessage('payload is missing, or of a kind that is not known here');
  if (payload.$case === 'init' || payload.$case === 'part')
    requireAtMost(payload.value.renditionId, MAX_ID_CHARACTERS, 'rendition_id');
  if (payload.$case === 'claim') requireClaim(payload.value);
  if (payload.$case !== 'header') return;
  const { claims, renditions } = payload.value;
  requireFew(claims, MAX_CLAIMS, 'header.claims');
  for (const claim of claims) requireClaim(claim);
  requireFew(renditions, MAX_RENDITIONS, 'header.renditions');
  for (const { renditionId, known } of renditions) {
    requireAtMost(renditionId, MAX_ID_CHARACTERS, 'rendition_id');
    requireFew(known, MAX_RANGES, 'known');
    let next = 0;
    for (const { first, last } of known) {
      if (first < next || last < first) throw invalidMessage('known has ranges that do not ascend');
      next = last + 1;
    }
  }
}

/** A question about a key has texts of a sane size; the hash may be anything, since a wrong one is a wrong key. */
export function checkAuthorizePublish({ app, remoteAddress }: control.AuthorizePublishRequest): void {
  requireAtMost(app, MAX_TEXT_CHARACTERS, 'app');
  requireAtMost(remoteAddress, MAX_TEXT_CHARACTERS, 'remote_address');
}

/** What a worker sends is one of the kinds that are known; a hello has a session. */
export function checkPublish({ payload }: sink.PublishRequest): void {
  if (payload === undefined) throw invalidMessage('payload is missing, or of a kind that is not known here');
  if (payload.$case === 'hello') requireId(payload.value.sessionId, 'hello.session_id');
  else requireAtMost(payload.value.renditionId, MAX_ID_CHARACTERS, 'rendition_id');
}

/** What a relay gives is one of the kinds that are known, and so is the reason of its end. */
export function checkSubscribeAnswer({ payload }: relay.SubscribeResponse): void {
  if (payload === undefined) throw invalidMessage('payload is missing, or of a kind that is not known here');
  if (payload.$case === 'end') requireOneOf(relay.EndReason, payload.value.reason, 'end.reason');
}

/** What a packager answers is one of the kinds that are known. */
export function checkPublishAnswer({ payload }: sink.PublishResponse): void {
  if (payload === undefined) throw invalidMessage('payload is missing, or of a kind that is not known here');
}

/** A key is granted a channel in a role, or refused for a reason. */
export function checkAuthorizePublishAnswer({ result }: control.AuthorizePublishResponse): void {
  if (result === undefined) throw invalidMessage('result is missing, or of a kind that is not known here');
  if (result.$case === 'refusal') requireOneOf(control.PublishRefusal, result.value, 'refusal');
  else {
    if (result.value.channel === undefined) throw invalidMessage('grant.channel is missing');
    requireOneOf(control.PublishRole, result.value.role, 'grant.role');
  }
}

/** Nothing beside its types. */
export function checkNothing(): void {}

function requireId(value: string, field: string): void {
  if (value === '') throw invalidMessage(`${field} is missing`);
  requireAtMost(value, MAX_ID_CHARACTERS, field);
}

function requireClaim({ token, from }: twin.TokenClaim): void {
  const isFit = token > 0 && from !== undefined && from.k >= 0 && from.part >= 0;
  if (!isFit) throw invalidMessage('a claim needs a token above 0 and a first position');
}

function requireFew(items: readonly unknown[], max: number, field: string): void {
  if (items.length > max) throw invalidMessage(`${field} has ${items.length} items; it may have ${max}`);
}

function requireAtMost(value: string, maxCharacters: number, field: string): void {
  if (value.length > maxCharacters)
    throw invalidMessage(`${field} has ${value.length} characters; it may have ${maxCharacters}`);
}

/** The first of every enum says that it was not set, and is never sent. */
function requireOneOf(known: Readonly<Record<string, number>>, value: number, field: string): void {
  if (value === 0 || !Object.values(known).includes(value))
    throw invalidMessage(`${field} is ${value}, which is not known here`);
}
