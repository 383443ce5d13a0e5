import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of files that are served or read as they are: beside a bundle, or above the sources. */
export function assetsDirectory(): string {
  const [beside, above] = ['./assets/', '../assets/'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  return beside !== undefined && existsSync(beside) ? beside : (above ?? '');
}
