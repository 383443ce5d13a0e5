/**
 * Writes docs/reference: settings from the configuration schemas, metrics from the registries, error ids from where they are
 * raised, events from their messages; and the measured figures into the README. Exit codes: 0 written.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Registry } from 'prom-client';
import {
  createEventQueueMetrics,
  createGrpcMetrics,
  createGuardMetrics,
  createKafkaEventMetrics,
  createListenerMetrics,
  createRedisMetrics,
  describeSettings,
  environmentNames,
} from '../packages/runtime/src/index.ts';
import { ingestServiceConfigSchema } from '../services/ingest/src/config.ts';
import { createIngestMetrics } from '../services/ingest/src/metrics.ts';
import { packagerServiceConfigSchema } from '../services/packager/src/config.ts';
import { createPackagerMetrics } from '../services/packager/src/metrics.ts';
import { playlistApiServiceConfigSchema } from '../services/playlist-api/src/config.ts';
import { createPlaylistApiMetrics } from '../services/playlist-api/src/metrics.ts';
import { standaloneConfigSchema } from '../services/standalone/src/config.ts';
import { workerServiceConfigSchema } from '../services/transcode-worker/src/config.ts';
import { createWorkerMetrics } from '../services/transcode-worker/src/metrics.ts';
import { describeResults } from '../bench/lib/results.ts';
import { renderEventReference } from './event-reference.ts';

const ROOT = `${import.meta.dirname}/../`;
const DIRECTORY = join(ROOT, 'docs/reference');

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function write(name: string, title: string, introduction: string, body: string): void {
  const note = '<!-- Written by scripts/generate from the code; change the code instead. -->';
  writeFileSync(join(DIRECTORY, `${name}.md`), `# ${title}\n\n${note}\n\n${introduction}\n\n${body}\n`);
}

/** What can be run, in the order of a stream's way, with what is to be set. */
const CONFIGURATIONS = {
  standalone: standaloneConfigSchema,
  ingest: ingestServiceConfigSchema,
  'transcode-worker': workerServiceConfigSchema,
  packager: packagerServiceConfigSchema,
  'playlist-api': playlistApiServiceConfigSchema,
} as const;

function configuration(): void {
  const sections = Object.entries(CONFIGURATIONS).map(([service, schema]) => {
    const rows = describeSettings(schema).map((setting) => [
      `\`${setting.path}\``,
      Object.values(environmentNames(setting))
        .flat()
        .map((name) => `\`${name}\``)
        .join(', '),
      setting.defaultText === undefined ? '' : `\`${setting.defaultText}\``,
      setting.description,
    ]);
    return `## \`${service}\`\n\n${table(['setting', 'environment', 'default', 'meaning'], rows)}`;
  });
  const introduction =
    'Settings of `standalone`, and of each service as a process of its own: flag before environment before file before default. `rtmp.port` is the flag `--rtmp.port`, and `rtmp: { port: 1935 }` in the YAML file that `--config` or `MILLRACE_CONFIG` names.';
  write('configuration', 'Configuration', introduction, sections.join('\n\n'));
}

/** What prom-client keeps of a metric. */
interface DefinedMetric {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly constructor: { readonly name: string };
}

function metrics(): void {
  const registry = new Registry();
  for (const create of [
    createListenerMetrics,
    createEventQueueMetrics,
    createGrpcMetrics,
    createGuardMetrics,
    createKafkaEventMetrics,
    createRedisMetrics,
    createIngestMetrics,
    createWorkerMetrics,
    createPackagerMetrics,
    createPlaylistApiMetrics,
  ]) {
    create(registry);
  }
  const defined = registry.getMetricsAsArray() as unknown as readonly DefinedMetric[];
  const rows = defined
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map((metric) => [
      `\`${metric.name}\``,
      metric.constructor.name.toLowerCase(),
      metric.labelNames.map((label) => `\`${label}\``).join(', '),
      metric.help,
    ]);
  const introduction =
    'What `/metrics` of the admin port shows, beside the usual `process_*` and `nodejs_*`. Base units; a metric of one session is removed when the session ends.';
  write('metrics', 'Metrics', introduction, table(['metric', 'type', 'labels', 'meaning'], rows));
}

const ERROR_ID =
  /'((?:INGEST|WORKER|PACKAGER|PLAYLIST_API|LISTEN|KAFKA(?!_BROKERS')|REDIS(?!_URL')|INSTANCE|GRPC)_[A-Z_]+)'/g;
/** The string or template that follows an id within the same call: what the person reads. */
const FOLLOWING_TEXT = /^[^;]{0,160}?[,:]\s*(?:'([^'\n]{12,})'|"([^"\n]{12,})"|`([^`]{12,})`)/s;

function errors(): void {
  const found = new Map<string, { readonly text: string; readonly service: string }>();
  const files = globSync('{services,packages}/*/src/**/*.ts', { cwd: ROOT }).filter(
    (path) => !/\.(test|contract)\.ts$|\/gen\/|\/testing\/|\/testdata\//.test(path),
  );
  for (const path of files.toSorted()) {
    const source = readFileSync(join(ROOT, path), 'utf8');
    for (const match of source.matchAll(ERROR_ID)) {
      const id = match[1] ?? '';
      const following = FOLLOWING_TEXT.exec(source.slice(match.index + match[0].length));
      const text = following?.[1] ?? following?.[2] ?? following?.[3] ?? '';
      const sentence = /^[A-Z_]+$/.test(text) ? '' : text;
      const known = found.get(id);
      if (known === undefined || known.text === '') {
        found.set(id, { text: sentence.replaceAll(/\s+/g, ' '), service: path.split('/')[1] ?? '' });
      }
    }
  }
  const rows = [...found]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([id, { text, service }]) => [`\`${id}\``, service, text.replaceAll(/\$\{[^}]*\}/g, '…')]);
  const rtmp = [
    ...readFileSync(join(ROOT, 'packages/rtmp/src/rtmp-error.ts'), 'utf8').matchAll(/\| '([A-Z_]+)'/g),
  ];
  const introduction = 'Stable ids: what logs, events, metrics and problem documents name.';
  const body = [
    table(['id', 'raised by', 'text'], rows),
    '\n## What ends an RTMP connection\n',
    'The kinds of `RtmpError`: the bytes of a peer break the protocol or a limit. Only that connection ends.\n',
    rtmp.map((match) => `- \`${match[1] ?? ''}\``).join('\n'),
  ].join('\n');
  write('errors', 'Error ids', introduction, body);
}

function events(): void {
  const proto = readFileSync(join(ROOT, 'proto/millrace/events/v1/events.proto'), 'utf8');
  const introduction =
    'The messages of `millrace.events.v1`: the value of a record on the topic of that name, of the type that its header `ce_type` names (`millrace.events.v1.SessionOpened`). [How they travel](../events.md). Types with a package in front are in [proto](../../proto/millrace).';
  write('events', 'Events', introduction, renderEventReference(proto));
}

/** Writes the measured figures between their marks in the README. */
function figures(): void {
  const path = join(ROOT, 'README.md');
  const marks =
    /(?<=<!-- figures: written by scripts\/generate from bench\/results -->\n).*(?=<!-- end of figures -->)/s;
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace(marks, () => `\n${describeResults()}\n\n`),
  );
}

mkdirSync(DIRECTORY, { recursive: true });
configuration();
events();
metrics();
errors();
figures();
process.stdout.write(
  `${globSync('*.md', { cwd: DIRECTORY })
    .map((path) => basename(path))
    .join(', ')} written\n`,
);
