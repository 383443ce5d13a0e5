/**
 * Observes a live presentation and prints the verdict.
 *
 *   node e2e/observer/main.ts http://127.0.0.1:8080/play/demo/ --seconds 60 [--segment 2] [--no-decode]
 *
 * A URL that ends in `/` stands for the two multivariant playlists and the two MPDs there. Exit codes: 0 nothing wrong,
 * 1 violations or missing segments, 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import { observe } from './observe.ts';
import { formatVerdict } from './verdict.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '30' },
    segment: { type: 'string' },
    'no-decode': { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const urls = positionals.flatMap((url) =>
  url.endsWith('/')
    ? ['index.m3u8', 'ts.m3u8', 'manifest.mpd', 'manifest-number.mpd'].map((name) => url + name)
    : [url],
);
if (urls.length === 0 || !(seconds > 0)) {
  process.stderr.write(
    'usage: node e2e/observer/main.ts URL... --seconds N [--segment SECONDS] [--no-decode]\n',
  );
  process.exit(2);
}
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const verdict = await observe({
  hls: urls.filter((url) => url.endsWith('.m3u8')),
  dash: urls.filter((url) => url.endsWith('.mpd')),
  until: ({ elapsedMs }) => elapsedMs >= seconds * 1000,
  deadlineMs: seconds * 1000 + 60_000,
  isDecoding: !values['no-decode'],
  signal: stop.signal,
  ...(values.segment === undefined
    ? {}
    : { segmentDuration: { numerator: Math.round(Number(values.segment) * 1000), denominator: 1000 } }),
});
process.stdout.write(`${formatVerdict(verdict)}\n`);
process.exitCode =
  verdict.violationCount === 0 && verdict.missingSegments === 0 && verdict.segments > 0 ? 0 : 1;
