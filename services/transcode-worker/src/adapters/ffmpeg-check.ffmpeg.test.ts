import { afterEach, describe, expect, test } from '@jest/globals';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkFfmpeg } from './ffmpeg-check.ts';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** A program that answers like an ffmpeg of a version, and has what the real one has but for some names. */
function ffmpegOf(version: string, without = 'nothing'): string {
  const directory = mkdtempSync(join(tmpdir(), 'ffmpeg-check-'));
  directories.push(directory);
  const path = join(directory, 'ffmpeg');
  const script = [
    '#!/bin/sh',
    `echo "ffmpeg version ${version} Copyright" >&2`,
    `ffmpeg -hide_banner "$@" | sed 's/\\b${without}\\b//g'`,
  ];
  writeFileSync(path, script.join('\n'));
  chmodSync(path, 0o755);
  return path;
}

describe('the check of ffmpeg', () => {
  test('the one of this machine can do everything', async () => {
    expect(await checkFfmpeg('ffmpeg')).toMatch(/\d/);
  });

  test('one of 5.1 and a build from git are taken', async () => {
    expect(await checkFfmpeg(ffmpegOf('5.1.9-0+deb12u1'))).toBe('5.1.9-0+deb12u1');
    expect(await checkFfmpeg(ffmpegOf('N-112233-gabcdef'))).toBe('N-112233-gabcdef');
  });

  test.each([
    ['one that is not there', () => '/nonexistent/ffmpeg', 'WORKER_FFMPEG_MISSING', 'apt-get install ffmpeg'],
    [
      'one that is too old',
      () => ffmpegOf('4.4.2'),
      'WORKER_FFMPEG_TOO_OLD',
      'version 4.4.2, and 5.1 or newer',
    ],
    ['one without libx264', () => ffmpegOf('6.1', 'libx264'), 'WORKER_FFMPEG_INCOMPLETE', 'encoder libx264'],
  ])('%s is refused with one sentence', async (_, path, id, words) => {
    await expect(checkFfmpeg(path())).rejects.toMatchObject({
      id,
      message: expect.stringContaining(words) as unknown as string,
    });
  });
});
