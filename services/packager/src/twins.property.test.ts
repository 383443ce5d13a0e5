import { expect, test } from '@jest/globals';
import type { sink } from '@millrace/contracts';
import type { SinkStream } from '@millrace/runtime';
import * as fc from 'fast-check';
import { PackagerGroup, RENDITIONS } from './testing/packager-group.ts';
import { FIRST_K } from './testing/packager-harness.ts';
import { part } from './testing/synthetic-parts.ts';

/** Each run starts and stops packagers with their listeners. */
const numRuns = Math.min(Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 15), 500);
const TWINS = ['a', 'b'] as const;
type Twin = (typeof TWINS)[number];

type Step =
  /** The worker publishes so many parts of every rendition. */
  | { readonly kind: 'publish'; readonly parts: number }
  /** The connection of the worker to one packager breaks off. */
  | { readonly kind: 'lose'; readonly twin: Twin }
  /** It is back, or one that was there is opened anew. */
  | { readonly kind: 'reopen'; readonly twin: Twin }
  /** One packager is killed and starts again, once its twin has everything. */
  | { readonly kind: 'restart'; readonly twin: Twin };

const twin = fc.constantFrom(...TWINS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('publish' as const), parts: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lose' as const), twin }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reopen' as const), twin }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), twin }) },
);

/** A worker with a connection to each packager, which it publishes the same to. */
class Worker {
  readonly group: PackagerGroup;
  readonly streams = new Map<Twin, SinkStream>();
  /** Parts of each rendition that some packager has taken. */
  published = 0;

  constructor(group: PackagerGroup) {
    this.group = group;
  }

  async take(next: Step): Promise<void> {
    switch (next.kind) {
      case 'publish':
        for (let count = 0; count < next.parts && this.streams.size > 0; count += 1) await this.publish();
        return;
      case 'lose':
        this.streams.get(next.twin)?.close();
        this.streams.delete(next.twin);
        return;
      case 'reopen':
        this.streams.get(next.twin)?.close();
        await this.open(next.twin);
        return;
      case 'restart': {
        await this.caughtUp(next.twin === 'a' ? 'b' : 'a');
        this.streams.get(next.twin)?.close();
        this.streams.delete(next.twin);
        await this.group.member(next.twin).stop();
        await this.group.add(next.twin);
        // One failure at a time: the other one may be next.
        await this.caughtUp(next.twin);
      }
    }
  }

  async open(id: Twin): Promise<void> {
    const stream = await this.group.open(id);
    this.streams.set(id, stream);
    await this.group.publishInits([stream]);
  }

  async publish(): Promise<void> {
    await this.group.publishParts([...this.streams.values()], FIRST_K + Math.floor(this.published / 2), [
      this.published % 2,
    ]);
    this.published += 1;
  }

  /** Asks what a packager holds; what it says while it is filled is that it is not. */
  async #look(id: Twin): Promise<{ readonly reply: sink.HelloReply; readonly close: () => void }> {
    const stream = await this.group.open(id);
    return { reply: stream.reply, close: () => stream.close() };
  }

  /** Resolves when a packager holds everything that was published. */
  async caughtUp(id: Twin): Promise<void> {
    await this.group.until(async () => {
      const { reply, close } = await this.#look(id);
      close();
      const places = new Map(reply.renditions.map(({ renditionId, resume }) => [renditionId, resume]));
      return RENDITIONS.every((renditionId) => {
        const resume = places.get(renditionId);
        return (resume === undefined ? 0 : (resume.k - FIRST_K) * 2 + resume.part) === this.published;
      });
    });
  }
}

test('two packagers hold the same bytes after any loss of one of them, or of its worker', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const group = await PackagerGroup.start(TWINS);
      try {
        const worker = new Worker(group);
        for (const id of TWINS) await worker.open(id);
        await worker.publish();
        for (const next of steps) await worker.take(next);
        for (const id of TWINS) await worker.caughtUp(id);
        await expectSame(group, worker.published);
      } finally {
        await group.stop();
      }
    }),
    { numRuns, seed: 1 },
  );
}, 600_000);

/** Asks both packagers for everything that was published, and for nothing else: that would be held. */
async function expectSame(group: PackagerGroup, published: number): Promise<void> {
  const segments = Math.floor(published / 2);
  const isBegun = published % 2 === 1;
  for (const id of RENDITIONS) {
    if (segments > 0) await expectAt(group, `${id}/index.m3u8`);
    for (let k = FIRST_K; k < FIRST_K + segments; k += 1) {
      const data = Buffer.concat([0, 1].map((j) => part(id, k, j).data));
      await expectAt(group, `${id}/${k}.m4s`, data);
    }
    const k = FIRST_K + segments;
    if (isBegun) await expectAt(group, `${id}/${k}.0.m4s`, part(id, k, 0).data);
  }
}

async function expectAt(group: PackagerGroup, path: string, data?: Buffer): Promise<void> {
  const [a, b] = await Promise.all(TWINS.map((id) => group.member(id).get(path)));
  expect([path, a?.status, b?.status]).toEqual([path, 200, 200]);
  expect([path, b?.headers.etag]).toEqual([path, a?.headers.etag]);
  expect(b?.body.equals(a?.body ?? Buffer.alloc(1))).toBe(true);
  if (data !== undefined) expect(a?.body.equals(data)).toBe(true);
}
