import type { sink } from '@millrace/contracts';

/**
 * What the packagers of a session hold together: of each rendition the rows that reach furthest, and every init segment.
 *
 * Nothing is lost by that: a packager that holds less asks its twin for the rest before it serves. Where two hold an init
 * segment of the same period it is the same one, since the first holder of the lease fixed it.
 */
export function mergeHelloReplies(replies: readonly sink.HelloReply[]): sink.HelloReply {
  const renditions = new Map<string, sink.RenditionResume>();
  const inits = new Map<string, sink.InitSegment>();
  for (const reply of replies) {
    for (const rendition of reply.renditions) {
      const known = renditions.get(rendition.renditionId);
      if (known === undefined || isFurther(rendition.resume, known.resume)) {
        renditions.set(rendition.renditionId, rendition);
      }
    }
    for (const init of reply.inits) {
      const key = `${init.period} ${init.renditionId}`;
      if (!inits.has(key)) inits.set(key, init);
    }
  }
  return { renditions: [...renditions.values()], inits: [...inits.values()] };
}

function isFurther(one: sink.Position | undefined, other: sink.Position | undefined): boolean {
  if (one === undefined || other === undefined) return one !== undefined;
  return one.k > other.k || (one.k === other.k && one.part > other.part);
}
