import { describe, expect, test } from '@jest/globals';
import type { InstanceDirectory, InstanceRegistration } from './instance-directory.ts';

/** A directory under test, and what moves the clock that it compares with its expiries. */
export interface InstanceDirectoryFixture {
  readonly directory: InstanceDirectory;
  readonly advance: (ms: number) => void | Promise<void>;
}

function registrationOf(id: string, change: Partial<InstanceRegistration> = {}): InstanceRegistration {
  return {
    kind: 'worker',
    id,
    address: '127.0.0.1:9101',
    runId: '',
    capacityUnits: 4.5,
    loadUnits: 1,
    isDraining: false,
    ...change,
  };
}

/** The rules that every instance directory keeps. */
export function describeInstanceDirectory(
  name: string,
  create: () => Promise<InstanceDirectoryFixture>,
): void {
  describe(`instance directory: ${name}`, () => {
    test('lists what was registered, by kind and in the order of ids', async () => {
      const { directory } = await create();
      await directory.register(registrationOf('b'));
      await directory.register(registrationOf('a'));
      await directory.register(registrationOf('p', { kind: 'packager' }));
      expect(await directory.list('worker')).toEqual([registrationOf('a'), registrationOf('b')]);
      expect(await directory.list('packager')).toEqual([registrationOf('p', { kind: 'packager' })]);
      expect(await directory.list('ingest')).toEqual([]);
    });

    test('an instance with public HTTP says where, one without says nothing', async () => {
      const { directory } = await create();
      await directory.register(registrationOf('a', { kind: 'packager', httpAddress: '127.0.0.1:8081' }));
      await directory.register(registrationOf('b', { kind: 'packager' }));
      expect((await directory.list('packager')).map(({ httpAddress }) => httpAddress)).toEqual([
        '127.0.0.1:8081',
        undefined,
      ]);
    });

    test('the same id in two kinds is two instances', async () => {
      const { directory } = await create();
      await directory.register(registrationOf('a'));
      await directory.register(registrationOf('a', { kind: 'packager' }));
      await directory.unregister('packager', 'a');
      expect(await directory.list('worker')).toHaveLength(1);
    });

    test('a registration that is renewed says what was said last, and stays', async () => {
      const { directory, advance } = await create();
      for (let loadUnits = 0; loadUnits < 5; loadUnits += 1) {
        await directory.register(registrationOf('a', { loadUnits, isDraining: loadUnits === 4 }));
        await advance(1000);
      }
      expect(await directory.list('worker')).toEqual([
        registrationOf('a', { loadUnits: 4, isDraining: true }),
      ]);
    });

    test('whoever registers hears what was registered under the id before, so that two of one name notice', async () => {
      const { directory, advance } = await create();
      expect(await directory.register(registrationOf('a', { runId: 'one' }))).toBeUndefined();
      expect(await directory.register(registrationOf('a', { runId: 'two' }))).toEqual(
        registrationOf('a', { runId: 'one' }),
      );
      await advance(3100);
      expect(await directory.register(registrationOf('a', { runId: 'one' }))).toBeUndefined();
    });

    test('a registration that is not renewed is gone after 3 s', async () => {
      const { directory, advance } = await create();
      await directory.register(registrationOf('a'));
      await advance(2500);
      await directory.register(registrationOf('b'));
      expect(await directory.list('worker')).toHaveLength(2);
      await advance(600);
      expect((await directory.list('worker')).map(({ id }) => id)).toEqual(['b']);
    });

    test('a registration that was taken back is gone at once; taking it back again has no effect', async () => {
      const { directory } = await create();
      await directory.register(registrationOf('a'));
      await directory.unregister('worker', 'a');
      await directory.unregister('worker', 'a');
      expect(await directory.list('worker')).toEqual([]);
    });

    test.each(['', 'a b', 'a:b', '{a}', 'a'.repeat(129)])('an id that is none is refused: %j', async (id) => {
      const { directory } = await create();
      await expect(directory.register(registrationOf(id))).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        id: 'INSTANCE_ID_INVALID',
      });
    });
  });
}
