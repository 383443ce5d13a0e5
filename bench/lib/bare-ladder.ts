import { readFileSync } from 'node:fs';

/** Options that decide what an encoder does; those of containers and clocks are left out. */
const ENCODER_OPTIONS: ReadonlySet<string> = new Set([
  ...['-c:v', '-preset', '-tune', '-bf', '-b_strategy', '-rc-lookahead', '-threads', '-profile:v', '-level'],
  ...['-g', '-keyint_min', '-sc_threshold', '-x264-params', '-b:v', '-maxrate', '-bufsize'],
  ...['-c:a', '-profile:a', '-b:a'],
]);

/** Arguments of a running process. */
export function commandLine(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1, -1);
}

/**
 * What a person would type to encode a file with the ladder of a running session: the same scaling and the same encoder
 * options as that session's ffmpeg, and nothing else that it is given.
 */
export function bareLadderArguments(options: {
  readonly sessionArguments: readonly string[];
  readonly inputArguments: readonly string[];
  readonly segmentSeconds: number;
  /** Path of output i. */
  readonly outputPath: (index: number) => string;
}): readonly string[] {
  const { sessionArguments, inputArguments, segmentSeconds, outputPath } = options;
  const graph = sessionArguments[sessionArguments.indexOf('-filter_complex') + 1] ?? '';
  const sizes = [...graph.matchAll(/scale=(?:w=)?(\d+):(?:h=)?(\d+)/g)].map(
    ([, width, height]) => `${width}:${height}`,
  );
  const outputs = outputGroups(sessionArguments);
  const videos = outputs.filter((group) => group.includes('-c:v'));
  if (sizes.length !== videos.length || videos.length === 0)
    throw new Error(`${videos.length} video outputs, ${sizes.length} sizes in ${graph}`);
  const split = `[0:v]split=${sizes.length}${sizes.map((_, index) => `[s${index}]`).join('')}`;
  const scales = sizes.map((size, index) => `[s${index}]scale=${size},setsar=1[v${index}]`);
  return [
    ...['-hide_banner', '-nostdin', '-y', '-loglevel', 'error'],
    ...inputArguments,
    ...['-filter_complex', [split, ...scales].join(';')],
    ...outputs.flatMap((group, index) => {
      const isVideo = group.includes('-c:v');
      return [
        ...['-map', isVideo ? `[v${videos.indexOf(group)}]` : '0:a'],
        ...encoderOptions(group),
        ...(isVideo
          ? ['-force_key_frames', `expr:gte(t,n_forced*${segmentSeconds})`]
          : ['-ar', '48000', '-ac', '2']),
        ...['-f', 'mp4', outputPath(index)],
      ];
    }),
  ];
}

/** The arguments from one `-map` to the next. */
function outputGroups(args: readonly string[]): readonly (readonly string[])[] {
  const starts = args.flatMap((argument, index) => (argument === '-map' ? [index] : []));
  return starts.map((start, group) => args.slice(start, starts[group + 1] ?? args.length));
}

function encoderOptions(group: readonly string[]): readonly string[] {
  return group.flatMap((argument, index) =>
    ENCODER_OPTIONS.has(argument) ? [argument, group[index + 1] ?? ''] : [],
  );
}
