import { expect } from '@jest/globals';
import { formatVerdict } from '../observer/verdict.ts';
import type { RenditionVerdict, Verdict } from '../observer/verdict.ts';

/** What a flawless verdict may have all the same. */
export interface Allowed {
  readonly discontinuities?: number;
  readonly gaps?: number;
}

/** Holds a verdict to: complete, no violation, nothing missing, no tick off. Prints it when it is not. */
export function expectFlawless(verdict: Verdict, allowed: Allowed = {}): void {
  const wanted = {
    isComplete: true,
    violationCount: 0,
    missingSegments: 0,
    tickErrors: 0,
    discontinuities: allowed.discontinuities ?? 0,
    gaps: allowed.gaps ?? 0,
  };
  try {
    expect(verdict.violations).toEqual([]);
    expect(verdict).toMatchObject(wanted);
    expect(verdict.renditions.length).toBeGreaterThan(0);
    for (const rendition of verdict.renditions) expect(rendition.segments).toBeGreaterThan(0);
  } catch (error) {
    process.stderr.write(`\n${formatVerdict(verdict)}\n`);
    throw error;
  }
}

/** The verdict on one rendition, such as `240p/index`. */
export function renditionOf(verdict: Verdict, label: string): RenditionVerdict {
  const rendition = verdict.renditions.find((candidate) => candidate.label === label);
  if (rendition === undefined)
    throw new Error(
      `no rendition ${label}; there are ${verdict.renditions.map((known) => known.label).join(', ')}`,
    );
  return rendition;
}
