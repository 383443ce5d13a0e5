/** Where an encoder wants to publish, whichever part of the URL it put things in. */
export interface PublishTarget {
  /** Application: the URL's path without its last component; `live`, or `a/b`. */
  readonly app: string;
  /** The last component, or the query's `key` when there is only one component. A secret. */
  readonly streamKey: string;
  /** Parameters of the query, wherever it was; values percent-decoded where that works. */
  readonly query: ReadonlyMap<string, string>;
}

const MAX_PATH_CHARACTERS = 1024;
const MAX_PARAMETERS = 32;
/** What a component may consist of; nothing that means something to a shell, a path or a log. */
const COMPONENT = /^[A-Za-z0-9_.~@:+=,-]+$/;
/** Adobe's name for the default instance of an app; FMLE and Wirecast append it. */
const DEFAULT_INSTANCE = '_definst_';
/** Parameters of librtmp's authmod=adobe and llnw, which it appends to app and tcUrl behind a second `?`. */
const AUTHMOD_PARAMETERS: readonly string[] = [
  'authmod',
  'user',
  'nonce',
  'cnonce',
  'nc',
  'challenge',
  'response',
  'opaque',
];

/**
 * Finds application, stream key and query in what an encoder sent.
 *
 * Encoders cut the same URL in different places (FFmpeg after the first or second component, OBS where its two input fields
 * meet, srs-bench sends no app at all), so the parts are joined and cut again before the last component: one URL means the
 * same from every encoder. Returns undefined when a component has characters that no name or key has.
 */
export const resolvePublishTarget = (
  app: string | undefined,
  tcUrl: string | undefined,
  name: string,
): PublishTarget | undefined => {
  const fromApp = splitQuery(app ?? '');
  const fromUrl = splitQuery(pathOfUrl(tcUrl ?? ''));
  const fromName = splitQuery(name);
  let base = fromApp.path;
  const isLonger = fromUrl.path.length > base.length && base.every((part, i) => part === fromUrl.path[i]);
  if (base.length === 0 || (fromName.path.length === 0 && isLonger)) base = fromUrl.path;
  const path = [...base, ...fromName.path];
  const length = path.reduce((sum, part) => sum + part.length + 1, 0);
  if (length > MAX_PATH_CHARACTERS) return undefined;

  const query = parseQuery([fromUrl.query, fromApp.query, fromName.query]);
  const streamKey = (path.length > 1 ? path.at(-1) : query.get('key')) ?? '';
  if (!path.every(isPlain) || (streamKey !== '' && !isPlain(streamKey))) return undefined;
  return { app: (path.length > 1 ? path.slice(0, -1) : path).join('/'), streamKey, query };
};

const isPlain = (part: string): boolean => COMPONENT.test(part) && part !== '.' && part !== '..';

/** The path and query of a URL, without parsing the rest: it is often no URL at all (Neko starts it with a quote). */
const pathOfUrl = (url: string): string => {
  const trimmed = url.replaceAll("'", '');
  const authority = trimmed.indexOf('://');
  if (authority < 0) return '';
  const path = trimmed.indexOf('/', authority + 3);
  return path < 0 ? '' : trimmed.slice(path);
};

const splitQuery = (text: string): { readonly path: readonly string[]; readonly query: string } => {
  const mark = text.indexOf('?');
  const path = mark < 0 ? text : text.slice(0, mark);
  return {
    path: path.split('/').filter((part) => part !== '' && part !== DEFAULT_INSTANCE),
    query: mark < 0 ? '' : text.slice(mark + 1),
  };
};

const parseQuery = (queries: readonly string[]): ReadonlyMap<string, string> => {
  const parameters = new Map<string, string>();
  for (const query of queries) {
    for (const pair of query.split(/[?&]/, MAX_PARAMETERS)) {
      const mark = pair.indexOf('=');
      const key = mark < 0 ? pair : pair.slice(0, mark);
      if (key !== '') parameters.set(key, mark < 0 ? '' : decode(pair.slice(mark + 1)));
    }
  }
  if (parameters.has('authmod')) for (const key of AUTHMOD_PARAMETERS) parameters.delete(key);
  return parameters;
};

const decode = (value: string): string => {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
};
