import { describe, expect, test } from '@jest/globals';
import { fuzz, FUZZ_RUNS } from '../testdata/fuzz.ts';
import { resolvePublishTarget } from './publish-target.ts';

describe('resolvePublishTarget, properties', () => {
  test('any text gives a target of plain components, or none', () => {
    const seeds = ['live|rtmp://h:1935/live?a=%41|key?b=c&d', "a/b?x=1?authmod=adobe|'rtmp://h/a/b/k|../x"];
    let targets = 0;
    const runs = fuzz(
      seeds.map((seed) => new Uint8Array(Buffer.from(seed))),
      (bytes) => {
        const [app, tcUrl, name] = Buffer.from(bytes).toString('latin1').split('|');
        const target = resolvePublishTarget(app, tcUrl, name ?? '');
        if (target === undefined) return;
        targets += 1;
        const parts = [...target.app.split('/'), target.streamKey];
        const isPlain = parts.every((part) => !/[\s\\/"'<>%?]/.test(part) && part !== '.' && part !== '..');
        if (!isPlain) throw new Error(JSON.stringify(target));
      },
    );
    expect(runs).toBeGreaterThanOrEqual(FUZZ_RUNS);
    expect(targets).toBeGreaterThan(runs / 20);
  });
});
