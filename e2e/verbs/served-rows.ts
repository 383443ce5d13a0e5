import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 300;

/** What the media playlist of a rendition has listed, by media sequence number: true for a segment without media. */
export type ServedRows = ReadonlyMap<number, boolean>;

/** Follows the media playlists of some renditions of a session until all have ended; throws at the deadline. */
export async function followRows(
  http: string,
  sessionId: string,
  renditionIds: readonly string[],
  deadlineMs: number,
): Promise<ReadonlyMap<string, ServedRows>> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const rows = new Map(renditionIds.map((id) => [id, new Map<number, boolean>()]));
  const open = new Set(renditionIds);
  while (open.size > 0) {
    for (const id of open) {
      const response = await fetch(`${http}/media/${sessionId}/${id}/index.m3u8`, { signal: deadline });
      const text = await response.text();
      if (response.status !== 200)
        throw new Error(`the playlist of ${id} was answered with ${response.status}`);
      for (const [msn, isGap] of readRows(text)) rows.get(id)?.set(msn, isGap);
      if (text.includes('#EXT-X-ENDLIST')) open.delete(id);
    }
    await delay(LOOK_MS, undefined, { signal: deadline });
  }
  return rows;
}

function readRows(text: string): readonly (readonly [msn: number, isGap: boolean])[] {
  let msn = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)$/m.exec(text)?.[1] ?? Number.NaN);
  const rows: (readonly [number, boolean])[] = [];
  let isGap = false;
  for (const line of text.split('\n')) {
    if (line === '#EXT-X-GAP') isGap = true;
    if (line === '' || line.startsWith('#')) continue;
    rows.push([msn, isGap]);
    msn += 1;
    isGap = false;
  }
  return rows;
}
