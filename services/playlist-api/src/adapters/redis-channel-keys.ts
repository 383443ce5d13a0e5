/** Names, all with score 0, so that they are in order. An index: it may hold names of what is gone, never lack one. */
export const CHANNEL_NAMES = 'channels';
export const LADDER_NAMES = 'ladders';
/** Stream keys that have an end, as `<channel> <id>`, by when that is; an index like the names. */
export const EXPIRING_KEYS = 'expiring-streamkeys';
/** The field of a channel's hash with the channel itself; its stream keys are beside it. */
export const CHANNEL_FIELD = 'channel';

export const channelKey = (name: string): string => `channel:{${name}}`;
export const hashKey = (sha256: string): string => `streamkey:${sha256}`;
export const ladderKey = (name: string): string => `ladder:${name}`;
