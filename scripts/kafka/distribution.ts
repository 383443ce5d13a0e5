import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const KAFKA_VERSION = '4.4.0';
const FETCH_DEADLINE_MS = 10 * 60_000;
const run = promisify(execFile);

/** A Kafka cannot be run here: the message says in one sentence what to do. */
export class KafkaUnavailableError extends Error {
  override readonly name = 'KafkaUnavailableError';
}

/**
 * The folder with the jars of a broker, fetched from Maven Central the first time (45 jars, 43 MB) and kept in the cache.
 *
 * Needs `java` 17 and, the first time, `mvn`; throws `KafkaUnavailableError` without.
 */
export async function fetchKafka(): Promise<string> {
  await requireProgram('java', ['-version'], 'default-jre-headless');
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const libs = join(cache, 'millrace', `kafka-${KAFKA_VERSION}`);
  if (existsSync(libs)) return libs;
  await requireProgram('mvn', ['-version'], 'maven');
  mkdirSync(dirname(libs), { recursive: true });
  // Two that fetch at the same time do not disturb each other: what is in the cache under its name is complete.
  const fetching = mkdtempSync(`${libs}.`);
  try {
    const pom = join(import.meta.dirname, 'pom.xml');
    const settings = [`-Dkafka.version=${KAFKA_VERSION}`, `-Dlibs=${join(fetching, 'libs')}`];
    await run('mvn', ['-q', '-B', '-f', pom, 'package', ...settings], {
      timeout: FETCH_DEADLINE_MS,
    });
    if (!existsSync(libs)) renameSync(join(fetching, 'libs'), libs);
    return libs;
  } catch (error) {
    const { stdout = '' } = error as { readonly stdout?: string };
    throw new KafkaUnavailableError(
      `Kafka ${KAFKA_VERSION} could not be fetched from Maven Central: ${stdout.split('\n')[0] ?? ''} ${(error as Error).message}`,
      { cause: error },
    );
  } finally {
    rmSync(fetching, { recursive: true, force: true });
  }
}

async function requireProgram(program: string, argv: readonly string[], aptPackage: string): Promise<void> {
  try {
    await run(program, [...argv]);
  } catch (error) {
    throw new KafkaUnavailableError(
      `${program} cannot be run: please run: sudo apt-get update && sudo apt-get install -y ${aptPackage}`,
      { cause: error },
    );
  }
}
