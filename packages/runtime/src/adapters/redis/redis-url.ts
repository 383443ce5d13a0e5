/** One server as a client reaches it. */
interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** What a Redis URL says. */
export interface RedisUrl {
  readonly isTls: boolean;
  readonly addresses: readonly RedisAddress[];
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
}

const URL_PATTERN = /^(rediss?):\/\/(?:([^@/]*)@)?([^@/]+)(?:\/(\d{1,4})?)?$/;
const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:]+))(?::(\d{1,5}))?$/;
const DEFAULT_PORT = 6379;

/**
 * Parses `redis://[user[:password]@]host[:port][,host[:port]…][/database]`; `rediss` is TLS. Several hosts are the seeds of a
 * Cluster, or Sentinels. `undefined` when it is none.
 */
export function parseRedisUrl(text: string): RedisUrl | undefined {
  const [, scheme, credentials, hosts = '', database = '0'] = URL_PATTERN.exec(text) ?? [];
  if (scheme === undefined) return undefined;
  const addresses: RedisAddress[] = [];
  for (const part of hosts.split(',')) {
    const [, ipv6, name, port] = ADDRESS.exec(part) ?? [];
    const host = ipv6 ?? name;
    const number = port === undefined ? DEFAULT_PORT : Number(port);
    if (host === undefined || number < 1 || number > 65_535) return undefined;
    addresses.push({ host, port: number });
  }
  const [username, password] = decodeCredentials(credentials);
  return {
    isTls: scheme === 'rediss',
    addresses,
    database: Number(database),
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
  };
}

function decodeCredentials(text: string | undefined): readonly (string | undefined)[] {
  if (text === undefined) return [];
  const colon = text.indexOf(':');
  const parts = colon < 0 ? [text] : [text.slice(0, colon), text.slice(colon + 1)];
  return parts.map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      // A password with a bare per cent sign is taken as it stands.
      return part;
    }
  });
}
