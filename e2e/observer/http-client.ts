import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { gunzipSync } from 'node:zlib';

/** An answer as a player gets it: nothing is followed, and only gzip is undone. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body, decompressed. */
  readonly body: Buffer;
  readonly isCompressed: boolean;
}

/** What is asked. */
export interface HttpQuestion {
  readonly method?: 'GET' | 'HEAD' | 'OPTIONS';
  readonly headers?: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 15_000;
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** A small HTTP/1.1 client with keep-alive, a deadline for every exchange and a bound on bodies. */
export class HttpClient {
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: 32 });
  readonly #https = new HttpsAgent({ keepAlive: true, maxSockets: 32 });

  /** Asks once. Rejects when nothing comes in time, or too much. */
  async request(url: string, question: HttpQuestion = {}): Promise<HttpAnswer> {
    const isSecure = url.startsWith('https:');
    const send = isSecure ? httpsRequest : httpRequest;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = send(
        url,
        {
          method: question.method ?? 'GET',
          headers: { origin: 'http://player.example', ...question.headers },
          agent: isSecure ? this.#https : this.#http,
          signal: AbortSignal.timeout(TIMEOUT_MS),
        },
        resolve,
      );
      request.once('error', reject);
      request.end();
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) throw new Error(`${url}: body larger than ${MAX_BODY_BYTES} bytes`);
      chunks.push(chunk);
    }
    const raw = Buffer.concat(chunks);
    const isCompressed = response.headers['content-encoding'] === 'gzip';
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: isCompressed && raw.length > 0 ? gunzipSync(raw, { maxOutputLength: MAX_BODY_BYTES }) : raw,
      isCompressed,
    };
  }

  /** Closes idle connections. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}
