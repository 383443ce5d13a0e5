import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { rational } from './rational.ts';
import { SessionTimeline } from './session-timeline.ts';
import { Invariants } from './testdata/invariants.ts';
import { hostileRuns } from './testdata/runs.ts';
import { audioConfig, START_MS, videoConfig } from './testdata/synthetic-encoder.ts';
import type { TimelineEvent, WireUnit } from './timeline-event.ts';

const hostileStep = fc.record({
  kind: fc.constantFrom('video' as const, 'audio' as const),
  timestampMs: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(0, 2 ** 24 - 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, Number.NaN, -5, 1e300),
    },
  ),
  compositionOffsetMs: fc.oneof(
    fc.constant(0),
    fc.integer({ min: -(2 ** 23), max: 2 ** 23 }),
    fc.constant(Number.NaN),
  ),
  isRandomAccess: fc.boolean(),
  size: fc.nat(3),
  wallMs: fc.oneof({ weight: 8, arbitrary: fc.nat(100) }, fc.integer({ min: -5000, max: 40_000 })),
  action: fc.constantFrom(
    'push',
    'push',
    'push',
    'push',
    'push',
    'push',
    'tick',
    'configure',
    'reconnect',
    'end',
    'cut',
  ),
});

function runHostile(
  steps: readonly (typeof hostileStep extends fc.Arbitrary<infer T> ? T : never)[],
  isVariable: boolean,
): number {
  const timeline = new SessionTimeline({
    segmentDurationSeconds: isVariable ? 'source' : rational(2, 1),
    graceSeconds: 30,
    isVariableFrameRate: isVariable,
    defaultAudio: audioConfig(48_000, 0),
  });
  const invariants = new Invariants();
  let units = 0;
  let now = START_MS;
  const take = (events: readonly TimelineEvent[]): void => {
    invariants.check(events);
    units += events.length;
  };
  take(timeline.beginPublication(now));
  take(timeline.configure(videoConfig(rational(30, 1)), now));
  take(timeline.configure(audioConfig(), now));
  for (const { kind, timestampMs, compositionOffsetMs, isRandomAccess, size, wallMs, action } of steps) {
    now += wallMs;
    const unit: WireUnit = {
      kind,
      timestampMs,
      compositionOffsetMs,
      isRandomAccess,
      data: new Uint8Array(size),
    };
    switch (action) {
      case 'tick':
        take(timeline.tick(now));
        break;
      case 'configure':
        take(
          timeline.configure(
            kind === 'video' ? videoConfig(undefined, size) : audioConfig(44_100, size),
            now,
          ),
        );
        break;
      case 'reconnect':
        take(timeline.beginPublication(now, 'takeover'));
        timeline.setMetadata({
          frameRate: compositionOffsetMs,
          hasVideo: isRandomAccess,
          hasAudio: size > 1,
        });
        take(timeline.configure(videoConfig(rational(25, 1)), now));
        break;
      case 'end':
        take(timeline.endPublication(now));
        break;
      case 'cut':
        timeline.requestPeriod('worker-request');
        break;
      default:
        take(timeline.push(unit, now));
    }
  }
  take(timeline.endPublication(now));
  return units;
}

describe('the timeline, hostile input', () => {
  it('never throws, never leaves its grids and stays in proportion, whatever is sent', () => {
    fc.assert(
      fc.property(fc.array(hostileStep, { maxLength: 40 }), fc.boolean(), (steps, isVariable) => {
        // 47 frames of silence and one picture for each second of a gap are the most that one unit can cause.
        expect(runHostile(steps, isVariable)).toBeLessThan(100 + steps.length * 60 * 50);
      }),
      hostileRuns(),
    );
  });
});
