import type { HttpAnswer } from './http-client.ts';
import type { Library } from './library.ts';
import type { Report } from './report.ts';

/** MIME types by extension (H-20). */
const TYPES: readonly (readonly [RegExp, RegExp])[] = [
  [/\.m3u8$/, /^application\/vnd\.apple\.mpegurl\b/],
  [/\.mpd$/, /^application\/dash\+xml\b/],
  [/\.(?:m4s|mp4)$/, /^(?:video|audio)\/mp4\b/],
  [/\.ts$/, /^video\/mp2t\b/],
];
const EXPOSED = ['date', 'age', 'content-length', 'server-timing'];
const RANGE_END = 99;
/** A playlist may change between two requests, so a conditional one gets some tries. */
const CONDITIONAL_TRIES = 5;

/** Holds a playlist or MPD to the HTTP of a CDN's origin (H-20, H-21, O-2, O-3, L-10). */
export async function checkPlaylistDelivery(url: string, library: Library, report: Report): Promise<void> {
  const answer = await library.ask(url, { headers: { 'accept-encoding': 'gzip' } });
  if (!report.expect(answer.status === 200, 'H-21', url, `answered with ${answer.status}`)) return;
  checkHeaders(url, answer, report);
  report.expect(answer.isCompressed, 'O-2', url, 'it is not compressed though gzip is accepted');
  report.expect(
    (answer.headers.vary ?? '').toLowerCase().includes('accept-encoding'),
    'O-2',
    url,
    'Vary does not name Accept-Encoding',
  );
  report.expect(answer.headers.age === undefined, 'L-10', url, 'the origin sends Age');
  const maxAge = maxAgeOf(answer);
  report.expect(
    maxAge !== undefined && maxAge <= 60,
    'O',
    url,
    `Cache-Control is ${String(answer.headers['cache-control'])}`,
  );
  await checkConditional(url, library, report);
  await checkPreflight(url, library, report);
}

/** Holds an init or media segment to the same, and to ranges and long lifetimes (O-2, H-8). */
export async function checkMediaDelivery(
  url: string,
  minLifetimeSeconds: number,
  library: Library,
  report: Report,
): Promise<void> {
  const whole = await library.ask(url);
  if (!report.expect(whole.status === 200, 'H-21', url, `answered with ${whole.status}`)) return;
  checkHeaders(url, whole, report);
  const maxAge = maxAgeOf(whole);
  report.expect(
    maxAge !== undefined && maxAge >= minLifetimeSeconds,
    'O',
    url,
    `Cache-Control is ${String(whole.headers['cache-control'])}; the media stays for ${minLifetimeSeconds} s`,
  );
  const part = await library.ask(url, { headers: { range: `bytes=0-${RANGE_END}` } });
  report.expect(
    part.status === 206 &&
      part.headers['content-range'] === `bytes 0-${RANGE_END}/${whole.body.length}` &&
      part.body.equals(whole.body.subarray(0, RANGE_END + 1)),
    'O-2',
    url,
    `a range was answered with ${part.status} and ${String(part.headers['content-range'])}`,
  );
  const beyond = await library.ask(url, { headers: { range: `bytes=${whole.body.length}-` } });
  report.expect(
    beyond.status === 416,
    'O-2',
    url,
    `a range beyond the end was answered with ${beyond.status}`,
  );
  const head = await library.ask(url, { method: 'HEAD' });
  report.expect(
    head.status === 200 && Number(head.headers['content-length']) === whole.body.length,
    'O-2',
    url,
    `HEAD was answered with ${head.status} and Content-Length ${String(head.headers['content-length'])}`,
  );
  await checkConditional(url, library, report);
}

/** Holds a URL that has nothing behind it to T-7 and the rule that errors must not poison a cache. */
export async function checkAbsence(
  url: string,
  statuses: readonly number[],
  library: Library,
  report: Report,
): Promise<void> {
  const { status, headers } = await library.ask(url);
  report.expect(
    statuses.includes(status),
    'T-7',
    url,
    `answered with ${status} instead of ${statuses.join(' or ')}`,
  );
  report.expect(
    status === 410 || (headers['cache-control'] ?? '').includes('no-store'),
    'O',
    url,
    `an error that caches may keep: ${String(headers['cache-control'])}`,
  );
}

function checkHeaders(url: string, { headers }: HttpAnswer, report: Report): void {
  const { pathname } = new URL(url);
  const type = TYPES.find(([extension]) => extension.test(pathname))?.[1];
  const contentType = headers['content-type'] ?? '';
  report.expect(type?.test(contentType) === true, 'H-20', url, `Content-Type is ${contentType}`);
  report.expect(
    headers['access-control-allow-origin'] === '*',
    'O-3',
    url,
    'no Access-Control-Allow-Origin for everybody',
  );
  const exposed = (headers['access-control-expose-headers'] ?? '').toLowerCase();
  report.expect(
    exposed === '*' || EXPOSED.every((name) => exposed.includes(name)),
    'O-3',
    url,
    `Access-Control-Expose-Headers is ${exposed}`,
  );
  report.expect(/^"[^"]+"$/.test(headers.etag ?? ''), 'O-2', url, `ETag is ${String(headers.etag)}`);
  report.expect(headers['set-cookie'] === undefined, 'O', url, 'it sets a cookie');
}

function maxAgeOf({ headers }: HttpAnswer): number | undefined {
  const cacheControl = headers['cache-control'] ?? '';
  if (/no-cache|no-store|private/.test(cacheControl)) return undefined;
  const seconds = /max-age=(\d+)/.exec(cacheControl)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

async function checkConditional(url: string, library: Library, report: Report): Promise<void> {
  let status = 0;
  for (let tries = 0; tries < CONDITIONAL_TRIES; tries += 1) {
    const { headers } = await library.ask(url);
    const again = await library.ask(url, { headers: { 'if-none-match': headers.etag ?? '"none"' } });
    status = again.status;
    if (status === 304) {
      report.expect(again.body.length === 0, 'O-2', url, 'a 304 with a body');
      return;
    }
  }
  report.add('O-2', url, `If-None-Match with the current ETag was answered with ${status}`);
}

async function checkPreflight(url: string, library: Library, report: Report): Promise<void> {
  const { status, headers } = await library.ask(url, {
    method: 'OPTIONS',
    headers: { 'access-control-request-method': 'GET', 'access-control-request-headers': 'range' },
  });
  report.expect(
    status >= 200 && status < 300 && headers['access-control-allow-origin'] === '*',
    'O-3',
    url,
    `a preflight was answered with ${status}`,
  );
}
