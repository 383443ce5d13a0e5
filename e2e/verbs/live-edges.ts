const NOTHING_YET = -1;

/** How far a media playlist has come, in parts since number 0; in segments where it lists no parts. */
function liveEdge(playlist: string): number {
  const firstMsn = Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(playlist)?.[1]);
  const target = Number(/#EXT-X-PART-INF:PART-TARGET=([\d.]+)/.exec(playlist)?.[1] ?? Infinity);
  const segments = [...playlist.matchAll(/^#EXTINF:([\d.]+)/gm)];
  // A part is no longer than its target, and longer than half of it.
  const longest = Math.max(...segments.map(([, seconds]) => Number(seconds)), 0);
  const partsPerSegment = Math.max(1, Math.round(longest / target));
  const behindLast = playlist.slice((segments.at(-1)?.index ?? 0) + 1);
  const trailing = behindLast.split('\n').filter((line) => line.startsWith('#EXT-X-PART:')).length;
  return (firstMsn + segments.length) * partsPerSegment + trailing;
}

/** Holds replicas to the order in which they were asked: none steps back, and none is more than a part behind another. */
export class LiveEdges {
  readonly problems: string[] = [];
  readonly #newest = new Map<string, number>();

  /** To be called when a replica is asked for a playlist; what it returns, with the answer. */
  ask(replica: string, path: string): (playlist: string) => void {
    const own = `${replica} ${path}`;
    const ownFloor = this.#newest.get(own) ?? NOTHING_YET;
    const floor = (this.#newest.get(path) ?? NOTHING_YET) - 1;
    return (playlist) => {
      const edge = liveEdge(playlist);
      if (edge < ownFloor) this.problems.push(`${own}: stepped back from ${ownFloor} to ${edge}`);
      if (edge < floor) this.problems.push(`${own}: at ${edge}, and another one was at ${floor + 1} before`);
      for (const key of [own, path]) this.#newest.set(key, Math.max(edge, this.#newest.get(key) ?? edge));
    };
  }
}
