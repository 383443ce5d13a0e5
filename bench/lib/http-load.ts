import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GENERATOR_CORE } from './measured-process.ts';
import type { MeasuredProcess } from './measured-process.ts';

/** What a server did under load. */
export interface LoadResult {
  readonly requestsPerSecond: number;
  /** Requests per second of the server's CPU: what one core can do, also when the generator is what ended first. */
  readonly requestsPerCpuSecond: number;
  readonly serverLoad: number;
  readonly megabytesPerSecond: number;
}

const run = promisify(execFile);

/** Asks for one URL over `connections` keep-alive HTTP/1.1 connections with `wrk`, on the generator's core. */
export async function loadUrl(
  url: string,
  server: MeasuredProcess,
  options: { readonly seconds: number; readonly connections: number },
): Promise<LoadResult> {
  const { seconds, connections } = options;
  const args = [
    '-c',
    String(GENERATOR_CORE),
    'wrk',
    '-t',
    '1',
    '-c',
    String(connections),
    '-d',
    `${seconds}s`,
    url,
  ];
  const before = server.totalCpuSeconds();
  const startedAt = performance.now();
  const { stdout } = await run('taskset', args);
  const elapsed = (performance.now() - startedAt) / 1000;
  const cpu = server.totalCpuSeconds() - before;
  const [, requests, duration, size = '', unit = ''] =
    /(\d+) requests in ([\d.]+)s, ([\d.]+)([KMGT]?)B read/.exec(stdout) ?? [];
  if (requests === undefined) throw new Error(`wrk said something else: ${stdout}`);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url}: ${stdout}`);
  const factor = { '': 1e-6, K: 1024e-6, M: 1.048_576, G: 1073.741_824, T: 1_099_511.6 }[unit] ?? Number.NaN;
  return {
    requestsPerSecond: Number(requests) / Number(duration),
    requestsPerCpuSecond: Number(requests) / cpu,
    serverLoad: cpu / elapsed,
    megabytesPerSecond: (Number(size) * factor) / Number(duration),
  };
}
