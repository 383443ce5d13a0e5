/** Where one instance is. */
export interface Backend {
  readonly name: string;
  readonly port: number;
  /** Where it says whether it is ready. */
  readonly adminPort: number;
}

/** What the balancers listen on, and what is behind them. */
export interface BalancerPlan {
  readonly host: string;
  readonly rtmpPort: number;
  readonly httpPort: number;
  readonly ingests: readonly Backend[];
  readonly playlistApis: readonly Backend[];
  readonly packagers: readonly Backend[];
}

/**
 * The configuration of HAProxy in front of the services: RTMP over TCP with the PROXY protocol (version 2), so that ingest sees the
 * encoder's address; HTTP with `/media/` to the packagers and everything else to playlist-api.
 *
 * An instance is in use while its `/readyz` answers 200, asked every 500 ms. A request that an instance did not answer goes to
 * another one: every request that viewers make may be made twice.
 */
export function renderHaproxyConfig(plan: BalancerPlan): string {
  const { host, rtmpPort, httpPort } = plan;
  return `global
  # A port that another program listens on is refused, not shared with it.
  noreuseport

defaults
  timeout connect 1s
  timeout check 1s
  option redispatch 1
  retries 3

frontend rtmp
  mode tcp
  bind ${host}:${rtmpPort}
  timeout client 60s
  default_backend ingest

backend ingest
  mode tcp
  balance leastconn
  timeout server 60s
  option httpchk GET /readyz
${plan.ingests.map((backend) => server(backend, ' send-proxy-v2 on-marked-down shutdown-sessions')).join('\n')}

frontend http
  mode http
  bind ${host}:${httpPort}
  timeout client 30s
  timeout http-request 10s
  timeout http-keep-alive 15s
  option http-keep-alive
  acl is_media path_beg /media/
  use_backend packager if is_media
  default_backend playlist-api

${httpBackend('packager', plan.packagers)}

${httpBackend('playlist-api', plan.playlistApis)}
`;
}

function httpBackend(name: string, backends: readonly Backend[]): string {
  return `backend ${name}
  mode http
  balance roundrobin
  timeout server 60s
  retry-on conn-failure empty-response response-timeout
  option forwardfor
  option httpchk GET /readyz
${backends.map((backend) => server(backend, '')).join('\n')}`;
}

function server({ name, port, adminPort }: Backend, more: string): string {
  // Two failures, since one look may have come at a bad moment; one success is enough.
  return `  server ${name} 127.0.0.1:${port} check port ${adminPort} inter 500ms fall 2 rise 1${more}`;
}
