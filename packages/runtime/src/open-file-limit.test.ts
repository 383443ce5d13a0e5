import { describe, expect, test } from '@jest/globals';
import { createLogger } from './logger.ts';
import { checkOpenFileLimit, parseOpenFileLimit } from './open-file-limit.ts';

const limitsWith = (openFiles: string): string =>
  [
    'Limit                     Soft Limit           Hard Limit           Units     ',
    'Max cpu time              unlimited            unlimited            seconds   ',
    'Max core file size        0                    unlimited            bytes     ',
    `Max open files            ${openFiles}files     `,
    'Max locked memory         8388608              8388608              bytes     ',
    '',
  ].join('\n');
const row = (soft: string, hard: string): string => limitsWith(soft.padEnd(21) + hard.padEnd(21));

describe('the limit of open files', () => {
  test.each([
    ['the soft limit, not the hard one', row('1024', '524288'), 1024],
    ['no limit', row('unlimited', 'unlimited'), Infinity],
    ['a limit of nothing', row('0', '0'), 0],
    ['a text without the line', 'Max cpu time              unlimited            unlimited', undefined],
    ['another line with these words', 'Not Max open files 5 5', undefined],
    ['a line that is cut off', 'Max open files            10', undefined],
    ['something else than a number', row('many', 'many'), undefined],
    ['nothing', '', undefined],
  ])('%s', (_, text, limit) => {
    expect(parseOpenFileLimit(text)).toBe(limit);
  });
});

describe('the check of the limit of open files', () => {
  function warningsOf(needs: Readonly<Record<string, number>>, readLimits: () => string): unknown[] {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    checkOpenFileLimit(needs, createLogger({ service: 'test', level: 'debug', destination }), readLimits);
    return lines.map((line): unknown => JSON.parse(line));
  }

  test('a limit below what is needed is one warning, with the settings, both numbers and what to do', () => {
    const warnings = warningsOf({ 'limits.connections': 100, 'http.maxConnections': 200 }, () =>
      row('363', '363'),
    );
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({
      level: 'warn',
      limit: 363,
      needed: 364,
      msg: expect.stringMatching(
        /^At most 363 files .* limits\.connections \+ http\.maxConnections may need 364: .* raise the limit .*\.$/,
      ),
    });
  });

  test.each([
    ['that is just enough', () => row('164', '164')],
    ['that is none', () => row('unlimited', 'unlimited')],
    ['that nobody knows', () => ''],
    [
      'that the system has no file of',
      () => {
        throw new Error('ENOENT');
      },
    ],
  ])('a limit %s is not worth a word', (_, readLimits) => {
    expect(warningsOf({ 'http.maxConnections': 100 }, readLimits)).toEqual([]);
  });
});
