import { spawn } from 'node:child_process';
import { parseFragment } from '@millrace/media';
import type { FakeSink } from './fake-sink.ts';

/** What a rendition serves in one period. */
export interface ServedMedia {
  /** Samples of each segment, in order of their numbers; gaps have none. */
  readonly samplesPerSegment: readonly number[];
  /** Places where a decode time is not the end of the sample before it. */
  readonly holes: readonly string[];
  readonly firstDts: number | undefined;
  readonly endDts: number | undefined;
  /** Segments that do not begin with a sync sample. */
  readonly dependentSegments: readonly number[];
}

/** Reads what a rendition serves, sample by sample. */
export function readServed(sink: FakeSink, renditionId: string, period = 0): ServedMedia {
  const counts = new Map<number, number>();
  const holes: string[] = [];
  const dependentSegments: number[] = [];
  let firstDts: number | undefined;
  let endDts: number | undefined;
  for (const part of sink.parts) {
    if (part.renditionId !== renditionId || part.period !== period) continue;
    const k = part.position?.k ?? 0;
    const before = counts.get(k) ?? 0;
    counts.set(k, before);
    if (part.isGap) continue;
    const { baseMediaDecodeTime, samples } = parseFragment(part.data);
    if (endDts !== undefined && endDts !== baseMediaDecodeTime)
      holes.push(`${k}.${part.position?.part}: ${baseMediaDecodeTime - endDts}`);
    if (before === 0 && samples[0]?.isSync !== true) dependentSegments.push(k);
    firstDts ??= baseMediaDecodeTime;
    endDts = baseMediaDecodeTime;
    for (const { duration } of samples) endDts += duration;
    counts.set(k, before + samples.length);
  }
  return { samplesPerSegment: [...counts.values()], holes, firstDts, endDts, dependentSegments };
}

/** Decodes what a rendition serves; answers everything that ffmpeg has to say about it. */
export async function decodeServed(sink: FakeSink, renditionId: string, period = 0): Promise<string> {
  const argv = ['-v', 'warning', '-xerror', '-err_detect', 'explode', '-i', 'pipe:0', '-f', 'null', '-'];
  const child = spawn('ffmpeg', argv, { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stdin.on('error', () => {}).end(sink.fileOf(renditionId, period));
  const [code] = await new Promise<[number | null]>((resolve) =>
    child.on('close', (value) => resolve([value])),
  );
  return code === 0 ? said : `exit code ${code}: ${said}`;
}
