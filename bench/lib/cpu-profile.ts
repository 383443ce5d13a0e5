import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const LISTED = 25;

/** Where `--cpu-prof` writes, and what came of it once the process has ended. */
export interface ProfileRecording {
  /** Give these to Node. */
  readonly nodeFlags: readonly string[];
  /** The functions with the most self time, `12.3 % name (file:line)`; frees the directory. */
  summarize(skipSeconds?: number): readonly string[];
}

/** Prepares the recording of a process, or of several that are then summed. */
export function recordProfile(): ProfileRecording {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-profile-'));
  return {
    nodeFlags: ['--cpu-prof', '--cpu-prof-dir', directory, '--cpu-prof-interval', '500'],
    summarize(skipSeconds = 0) {
      const profiles = readdirSync(directory).map(
        (file) => JSON.parse(readFileSync(join(directory, file), 'utf8')) as CpuProfile,
      );
      rmSync(directory, { recursive: true, force: true });
      if (profiles.length === 0) return ['no profile was written'];
      return summarizeProfiles(profiles, skipSeconds * 1e6);
    },
  };
}

function summarizeProfiles(profiles: readonly CpuProfile[], skipUs: number): readonly string[] {
  const selfUs = new Map<string, number>();
  let busyUs = 0;
  for (const { nodes, samples, timeDeltas } of profiles) {
    const names = new Map(nodes.map((node) => [node.id, nameOf(node)]));
    let atUs = 0;
    samples.forEach((id, index) => {
      const name = names.get(id) ?? '(unknown)';
      const us = timeDeltas[index] ?? 0;
      atUs += us;
      if (name === '(idle)' || atUs < skipUs) return;
      busyUs += us;
      selfUs.set(name, (selfUs.get(name) ?? 0) + us);
    });
  }
  return [...selfUs]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, LISTED)
    .map(([name, us]) => `${((100 * us) / busyUs).toFixed(1)} % ${name}`);
}

const sourceMaps = new Map<string, SourceMap | undefined>();

function nameOf({ callFrame }: ProfileNode): string {
  const { functionName, url, lineNumber, columnNumber } = callFrame;
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (!url.startsWith('file:')) return url === '' ? name : `${name} (${url})`;
  const entry = sourceMapOf(fileURLToPath(url))?.findEntry(lineNumber, columnNumber);
  if (entry !== undefined && 'originalSource' in entry) {
    return `${name} (${entry.originalSource.replace(/^(\.\.\/)+/, '')}:${entry.originalLine + 1})`;
  }
  return `${name} (${url.slice(url.lastIndexOf('/') + 1)}:${lineNumber + 1})`;
}

function sourceMapOf(path: string): SourceMap | undefined {
  if (!sourceMaps.has(path)) {
    const map = `${path}.map`;
    const payload = existsSync(map) ? (JSON.parse(readFileSync(map, 'utf8')) as never) : undefined;
    sourceMaps.set(path, payload === undefined ? undefined : new SourceMap(payload));
  }
  return sourceMaps.get(path);
}
