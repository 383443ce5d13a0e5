import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { assetsDirectory } from '../assets.ts';

/** An OpenAPI document, as far as this service looks into it itself. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, unknown>>;
}

/** Reads the document that ships with the service; a new object at each call, since the validator rewrites its own. */
export function readOpenApiDocument(): OpenApiDocument {
  return parse(readFileSync(join(assetsDirectory(), 'openapi.yaml'), 'utf8')) as OpenApiDocument;
}

/** The paths whose GET the document opens to everybody (`security: []`). */
export function publicPaths({ paths }: OpenApiDocument): ReadonlySet<string> {
  const isOpen = (path: unknown): boolean => {
    const { get } = path as { readonly get?: { readonly security?: readonly unknown[] } };
    return get?.security?.length === 0;
  };
  return new Set(Object.keys(paths).filter((path) => isOpen(paths[path])));
}
