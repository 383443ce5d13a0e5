/** A refusal of the REST API, in words for people. */
class ApiError extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const TIMEOUT_MS = 8000;

async function call(path, { method = 'GET', token, body } = {}) {
  const response = await fetch(path, {
    method,
    cache: 'no-store',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok)
    throw new ApiError(response.status, answer.detail ?? `The server answered ${response.status}.`);
  return answer;
}

/** Channels that are live, and where encoders publish to. */
export function listLive() {
  return call('v1/live');
}

/** How far this computer's clock is behind the server's, in ms. */
export async function clockOffsetMs() {
  const before = Date.now();
  const response = await fetch('time', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
  const serverMs = Date.parse(await response.text());
  const after = Date.now();
  return Number.isNaN(serverMs) ? 0 : serverMs - (before + after) / 2;
}

/** Names of all channels; refused for a wrong token. */
export async function listChannelNames(token) {
  const names = [];
  let cursor = '';
  do {
    const page = await call(`v1/channels?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`, { token });
    names.push(...page.items.map((channel) => channel.name));
    cursor = page.nextCursor ?? '';
  } while (cursor !== '');
  return names;
}

export function createChannel(token, name) {
  return call('v1/channels', { method: 'POST', token, body: { name } });
}

export function createStreamKey(token, channel) {
  return call(`v1/channels/${channel}/stream-keys`, {
    method: 'POST',
    token,
    body: { label: 'made on the page' },
  });
}
