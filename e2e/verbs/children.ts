import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/** How a child ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that a test started, in a process group of its own. */
export interface OwnedProcess {
  readonly pid: number;
  /** What it has written so far, standard output and standard error each; the last MiB. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
  readonly isRunning: () => boolean;
  /** Sends a signal to the process itself. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Asks its group to end, kills it when it has not after 10 s, and waits for the end. */
  readonly stop: () => Promise<Ended>;
}

const KEPT_CHARACTERS = 1024 * 1024;
const STOP_DEADLINE_MS = 10_000;

const running = new Map<OwnedProcess, ChildProcess>();
const directories: string[] = [];

/** Starts a program that `stopAll` will end. */
export function start(
  program: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    /** What it reads from its standard input; nothing by default. */
    readonly input?: Readable;
  } = {},
): OwnedProcess {
  const { input, ...place } = options;
  const child = spawn(program, args, { ...place, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  // A program that ends before its input does is not the test's failure.
  child.stdin.on('error', () => input?.destroy());
  if (input === undefined) child.stdin.end();
  else input.pipe(child.stdin);
  const keep = (stream: NodeJS.ReadableStream): (() => string) => {
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-KEPT_CHARACTERS);
    });
    return () => text;
  };
  const [stdout, stderr] = [keep(child.stdout), keep(child.stderr)];
  const ended = new Promise<Ended>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const owned: OwnedProcess = {
    pid: child.pid ?? 0,
    stdout,
    stderr,
    ended,
    isRunning: () => running.has(owned),
    signal: (signal) => child.kill(signal),
    stop: async () => {
      signalGroup(child, 'SIGTERM');
      const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), STOP_DEADLINE_MS);
      const result = await ended;
      clearTimeout(timer);
      // What it may have left in its group.
      signalGroup(child, 'SIGKILL');
      return result;
    },
  };
  running.set(owned, child);
  void ended.then(() => running.delete(owned));
  return owned;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

/** A temporary directory that `stopAll` removes. */
export function temporaryDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `millrace-e2e-${name}-`));
  directories.push(directory);
  return directory;
}

/** Ends every process that tests started and removes their directories; for `afterAll`. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running.keys()].map((owned) => owned.stop()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
}
