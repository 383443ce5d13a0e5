import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

/** A body as it goes out: plain and compressed, each with its strong ETag. Equal content gives equal bytes. */
export interface RenderedBody {
  readonly plain: Buffer;
  readonly gzip: Buffer;
  readonly etag: string;
  readonly gzipEtag: string;
}

const GZIP_LEVEL = 6;

/** Renders a content once, for all who ask for it (O-2). */
export function renderBody(content: string | Buffer): RenderedBody {
  const plain = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  const digest = createHash('sha256').update(plain).digest('base64url').slice(0, 22);
  return {
    plain,
    gzip: gzipSync(plain, { level: GZIP_LEVEL }),
    etag: `"${digest}"`,
    gzipEtag: `"${digest}-gzip"`,
  };
}
