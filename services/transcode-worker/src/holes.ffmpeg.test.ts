import { afterEach, describe, expect, test } from '@jest/globals';
import type { relay, session, sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import { audioRendition, videoRendition } from './testing/renditions.ts';
import { decodeServed, readServed } from './testing/served-media.ts';
import type { SyntheticInput } from './testing/synthetic-media.ts';
import { FIRST_K, presentationOf, START_TICKS, WorkerHarness } from './testing/worker-harness.ts';

const source = videoRendition({ id: 'source', isPassthrough: true });
let harness: WorkerHarness | undefined;
afterEach(() => harness?.stop());

/** A period of which some access units never came, to a packager that refuses what is too long. */
async function transcode(
  presentation: session.Presentation,
  input: SyntheticInput,
  isLost: (fragment: relay.Fragment, seconds: number) => boolean,
): Promise<WorkerHarness> {
  const worker = (harness = new WorkerHarness(presentation));
  await worker.addPeriod(input);
  worker.relay.onFragments = (fragments) =>
    fragments.filter((fragment) => !isLost(fragment, secondsOf(fragment)));
  refuseTooLong(worker);
  worker.start();
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  return worker;
}

function secondsOf({ trackId, dts }: relay.Fragment): number {
  return trackId === 1 ? (dts - START_TICKS) / 90_000 : dts / 48_000 - START_TICKS / 90_000;
}

function refuseTooLong(worker: WorkerHarness): void {
  worker.sink.onPart = ({ renditionId, position, durationTicks }: sink.Part) => {
    const row = worker.sink.window.rowsOf(renditionId).at(-1);
    const before = row?.k === position?.k ? (row?.durationTicks ?? 0) : 0;
    if ((before + durationTicks) / (renditionId === 'audio' ? 48_000 : 90_000) >= 2.5)
      throw new ServiceError('INVALID_ARGUMENT', 'PACKAGER_TOO_LONG', 'too long');
  };
}

const gapsOf = (worker: WorkerHarness, id: string): readonly boolean[] =>
  worker.sink.window.rowsOf(id).map(({ isGap }) => isGap);
const NO_GAPS = Array.from({ length: 5 }, () => false);

describe('a hole in the video over a segment end', () => {
  test.each([false, true])(
    'makes gaps of `source` alone (audio pauses too: %s)',
    async (isShared) => {
      const renditions = [source, videoRendition(), audioRendition()];
      const worker = await transcode(
        presentationOf({ renditions }),
        { seconds: 10 },
        ({ trackId }, at) => (trackId === 1 || isShared) && at >= 2.6 && at < 4.6,
      );
      expect(gapsOf(worker, 'source')).toEqual([false, true, true, false, false]);
      expect(gapsOf(worker, '180p')).toEqual(NO_GAPS);
      expect(gapsOf(worker, 'audio')).toEqual(NO_GAPS);
      for (const id of ['180p', 'audio'])
        expect(readServed(worker.sink, id)).toMatchObject({ holes: [], dependentSegments: [] });
      expect(await decodeServed(worker.sink, '180p')).toBe('');
      expect(worker.sink.opened).toBe(1);
      expect(worker.eventsOf('SourceBoundaryMissed').map(({ k }) => k - FIRST_K)).toEqual([1, 2]);
      expect(worker.eventsOf('TranscoderRestarted')).toEqual([]);
    },
    30_000,
  );
});

test('a pause of everything makes gaps of audio that is passed through, and of nothing else', async () => {
  const worker = await transcode(
    presentationOf({ renditions: [source, audioRendition({ isPassthrough: true })] }),
    { seconds: 10 },
    (_, at) => at >= 2.6 && at < 4.6,
  );
  for (const id of ['source', 'audio']) expect(gapsOf(worker, id)).toEqual([false, true, true, false, false]);
  expect(worker.sink.opened).toBe(1);
}, 30_000);

test('frames of a varying rate that come too rarely make gaps, and whole segments when they are back', async () => {
  const worker = await transcode(
    presentationOf({
      renditions: [videoRendition({ frameRate: undefined }), audioRendition()],
      isVariableFrameRate: true,
    }),
    { seconds: 10, rate: '30', filter: "select='not(between(t,2.2,5.2))+not(mod(n,27))'", gopFrames: 52 },
    () => false,
  );
  expect(gapsOf(worker, '180p')).toEqual([false, true, true, false, false]);
  expect(gapsOf(worker, 'audio')).toEqual(NO_GAPS);
  expect(readServed(worker.sink, '180p').dependentSegments).toEqual([]);
  expect(worker.sink.opened).toBe(1);
  expect(worker.eventsOf('TranscoderRestarted')).toEqual([]);
}, 30_000);
