/** @param {number} bps */
export function formatBitrate(bps) {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mb/s` : `${Math.round(bps / 1e3)} kb/s`;
}

/** @param {number} ms */
export function formatSeconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** RTMP URL for an encoder; the default port is left out, as people write it. */
export function serverUrl({ host, port, app }, pageHost) {
  const name = host ?? pageHost;
  const bracketed = name.includes(':') && !name.startsWith('[') ? `[${name}]` : name;
  return `rtmp://${bracketed}${port === 1935 ? '' : `:${port}`}/${app}`;
}
