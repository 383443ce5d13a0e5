import type { HttpAnswer, HttpClient, HttpQuestion } from './http-client.ts';
import { readInit, readSegment } from './media-segment.ts';
import type { InitFacts, SegmentFacts } from './media-segment.ts';
import type { Report } from './report.ts';

/** An init segment that was downloaded. */
export interface LoadedInit {
  readonly bytes: Buffer;
  readonly facts: InitFacts | undefined;
}

/** A media segment that was downloaded; `bytes` is empty when it had been downloaded before. */
export interface LoadedSegment {
  readonly status: number;
  readonly bytes: Buffer;
  readonly facts: SegmentFacts | undefined;
}

/** How many read segments are remembered. */
const MAX_REMEMBERED = 5000;

/** Downloads init and media segments and remembers what it read, so that two presentations of the same media cost one. */
export class Library {
  readonly #client: HttpClient;
  readonly #report: Report;
  readonly #inits = new Map<string, Promise<LoadedInit | undefined>>();
  readonly #facts = new Map<string, SegmentFacts | undefined>();

  constructor(client: HttpClient, report: Report) {
    this.#client = client;
    this.#report = report;
  }

  /** Asks without remembering; an exchange that fails is an answer with status 0. */
  async ask(url: string, question?: HttpQuestion): Promise<HttpAnswer> {
    try {
      return await this.#client.request(url, question);
    } catch (error) {
      this.#report.add('fetch', url, `no answer: ${(error as Error).message}`);
      return { status: 0, headers: {}, body: Buffer.alloc(0), isCompressed: false };
    }
  }

  /** The init segment at a URL, downloaded once. */
  async init(url: string): Promise<LoadedInit | undefined> {
    const known = this.#inits.get(url) ?? this.#loadInit(url);
    this.#inits.set(url, known);
    return known;
  }

  async #loadInit(url: string): Promise<LoadedInit | undefined> {
    const { status, body } = await this.ask(url);
    if (!this.#report.expect(status === 200, 'H-9', url, `the init segment was answered with ${status}`))
      return undefined;
    return { bytes: body, facts: readInit(body, url, this.#report) };
  }

  /** Whether the segment was downloaded already. */
  knows(url: string): boolean {
    return this.#facts.has(url);
  }

  /** An fMP4 segment; its bytes are downloaded once unless `needsBytes`. */
  async segment(url: string, init: InitFacts | undefined, needsBytes: boolean): Promise<LoadedSegment> {
    if (this.#facts.has(url) && !needsBytes) {
      return { status: 200, bytes: Buffer.alloc(0), facts: this.#facts.get(url) };
    }
    const { status, body } = await this.ask(url);
    if (status !== 200) return { status, bytes: body, facts: undefined };
    const facts =
      this.#facts.get(url) ?? (init === undefined ? undefined : readSegment(body, init, url, this.#report));
    if (this.#facts.size >= MAX_REMEMBERED) {
      for (const oldest of this.#facts.keys()) {
        this.#facts.delete(oldest);
        break;
      }
    }
    this.#facts.set(url, facts);
    return { status, bytes: body, facts };
  }
}
