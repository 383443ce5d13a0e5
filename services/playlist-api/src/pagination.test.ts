import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ADMIN_TOKEN, createFixture } from './testing/fixture.ts';
import type { Fixture } from './testing/fixture.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.stop());

interface Page {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly nextCursor?: string;
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${fixture.url}/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

/** Follows the cursors from the first page of two to the last one; `between` runs after each page. */
async function walk(
  path: string,
  key: string,
  between: (pageNumber: number) => Promise<void> = async () => undefined,
): Promise<string[][]> {
  const pages: string[][] = [];
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({ limit: '2', ...(cursor === undefined ? {} : { cursor }) });
    const page = (await ask('GET', `${path}${path.includes('?') ? '&' : '?'}${query}`)) as Page;
    pages.push(page.items.map((item) => String(item[key])));
    cursor = page.nextCursor;
    await between(pages.length);
    if (pages.length > 20) throw new Error(`The pages do not end: ${JSON.stringify(pages)}`);
  } while (cursor !== undefined);
  return pages;
}

/** A list whose items a test makes; they are listed by `key`. */
interface List {
  readonly path: string;
  readonly key: string;
  /** What is there before the test makes anything. */
  readonly first: readonly string[];
  /** Makes an item; what it is listed as. */
  readonly make: (name: string) => Promise<string>;
  readonly prepare?: () => Promise<unknown>;
  /** Absent where nothing is deleted: sessions end, and stay listed until they are forgotten. */
  readonly remove?: (name: string) => Promise<unknown>;
}

const LISTS: Readonly<Record<string, List>> = {
  channels: {
    path: '/channels',
    key: 'name',
    first: [],
    make: async (name) => {
      await ask('POST', '/channels', { name });
      return name;
    },
    remove: (name) => ask('DELETE', `/channels/${name}`),
  },
  ladders: {
    path: '/ladders',
    key: 'name',
    first: ['default'],
    make: async (name) => {
      await ask('PUT', `/ladders/${name}`, { rungs: ['source'] });
      return name;
    },
    remove: (name) => ask('DELETE', `/ladders/${name}`),
  },
  'stream keys': {
    path: '/channels/keys/stream-keys',
    key: 'id',
    first: [],
    prepare: () => ask('POST', '/channels', { name: 'keys' }),
    async make(label) {
      fixture.clock.advance(1);
      return ((await ask('POST', '/channels/keys/stream-keys', { label })) as { id: string }).id;
    },
    remove: (id) => ask('DELETE', `/channels/keys/stream-keys/${id}`),
  },
  sessions: {
    path: '/sessions',
    key: 'id',
    first: [],
    async make(channel) {
      fixture.clock.advance(1);
      const { sessionId } = await fixture.openSession(channel);
      await untilKnown(sessionId);
      return sessionId;
    },
  },
};

/** Resolves when the mirror has heard of the session. */
async function untilKnown(sessionId: string): Promise<void> {
  for (;;) {
    const { items } = (await ask('GET', '/sessions?limit=200')) as Page;
    if (items.some(({ id }) => id === sessionId)) return;
  }
}

/** What is listed, in the order of the list, after five were made in another one. */
async function makeFive(list: List): Promise<string[]> {
  await list.prepare?.();
  const made: string[] = [];
  for (const name of ['c', 'a', 'e', 'b', 'd']) made.push(await list.make(name));
  return [...list.first, ...made].toSorted();
}

describe.each(Object.entries(LISTS))('pages of %s', (_, list) => {
  test('walked by cursor have every item exactly once, in order, and an end', async () => {
    const all = await makeFive(list);
    const pages = await walk(list.path, list.key);
    expect(pages.flat()).toEqual(all);
    expect(pages.map(({ length }) => length)).toEqual(all.length === 5 ? [2, 2, 1] : [2, 2, 2]);
  });

  test('while one is made in between: those that were there once each, the new one at most once', async () => {
    const before = await makeFive(list);
    const made: string[] = [];
    // Behind the first page, and ahead of the second.
    const pages = await walk(list.path, list.key, async (number) => {
      if (number === 1) made.push(await list.make('aa'), await list.make('zz'));
    });
    const seen = pages.flat();
    expect(seen).toEqual([...new Set(seen)].toSorted());
    expect(seen.filter((item) => !made.includes(item))).toEqual(before);
    // One that is made ahead of the cursor is seen: it was there when its page was asked for.
    expect(seen).toContain(made[1]);
  });
});

const REMOVABLE = Object.entries(LISTS).flatMap(([name, list]) =>
  list.remove === undefined ? [] : [{ name, list, remove: list.remove }],
);

test.each(REMOVABLE)(
  'pages of $name go on where they were when the item at the cursor is gone',
  async ({ list, remove }) => {
    const all = await makeFive(list);
    const pages = await walk(list.path, list.key, async (number) => {
      if (number === 1) await remove(all[1] ?? '');
    });
    expect(pages.flat()).toEqual(all);
  },
);

test('pages of sessions keep to their filter', async () => {
  const ids = new Map<string, string>();
  for (const channel of ['c', 'a', 'b']) ids.set(channel, await LISTS['sessions']!.make(channel));
  expect(await walk('/sessions?channel=a', 'id')).toEqual([[ids.get('a')]]);
  expect((await walk('/sessions?state=live', 'id')).flat()).toEqual([...ids.values()].toSorted());
  expect(await walk('/sessions?state=ended', 'id')).toEqual([[]]);
});
