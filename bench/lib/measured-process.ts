import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Clock ticks a second in /proc; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** What the kernel counted for one process. */
interface ProcessUsage {
  readonly pid: number;
  readonly parentPid: number;
  readonly name: string;
  readonly cpuSeconds: number;
}

/** Servers run on the first core, generators on the other. */
export const SERVER_CORE = 0;
export const GENERATOR_CORE = 1;

/** Keeps this process and what it starts from now on to one core, unless a child says otherwise. */
export function pinToCore(core: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', String(core), String(process.pid)], { stdio: 'ignore' });
}

/** Reads CPU time of every process on the machine. */
function readAllUsage(): ProcessUsage[] {
  const all: ProcessUsage[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const nameEnd = stat.lastIndexOf(')');
      const fields = stat.slice(nameEnd + 2).split(' ');
      all.push({
        pid: Number(entry),
        name: stat.slice(stat.indexOf('(') + 1, nameEnd),
        parentPid: Number(fields[1]),
        cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      });
    } catch {
      // It ended while we looked.
    }
  }
  return all;
}

/** CPU seconds of a process itself, and of its living descendants by program name. */
export interface FamilyCpu {
  readonly own: number;
  readonly descendants: ReadonlyMap<string, number>;
}

function familyOf(root: number): ProcessUsage[] {
  const family = new Set([root]);
  // Parents have lower pids but for wrap-around; a second pass would only matter then.
  return readAllUsage()
    .toSorted((a, b) => a.pid - b.pid)
    .filter(({ pid, parentPid }) => {
      if (family.has(parentPid)) family.add(pid);
      return family.has(pid);
    });
}

/** What the kernel has counted for a process that runs and its living descendants. */
export function cpuOf(root: number): FamilyCpu {
  const descendants = new Map<string, number>();
  let own = 0;
  for (const { pid, name, cpuSeconds } of familyOf(root)) {
    if (pid === root) own = cpuSeconds;
    else descendants.set(name, (descendants.get(name) ?? 0) + cpuSeconds);
  }
  return { own, descendants };
}

/** Resident bytes of a process. */
export function rssOf(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) * 1024;
}

const running = new Set<ChildProcess>();

// Children have groups of their own: a bench that is ended, or that fails, takes them along.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
process.once('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
});

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

/** A program under measurement, pinned to a core, with the CPU and memory the kernel counts for it. */
export class MeasuredProcess {
  readonly child: ChildProcess;

  /** Starts a program; `core` undefined leaves it to the scheduler. */
  constructor(
    program: string,
    args: readonly string[],
    options: {
      readonly core?: number;
      readonly env?: Readonly<Record<string, string>>;
      readonly cwd?: string;
      readonly stderr?: 'ignore' | 'pipe';
    } = {},
  ) {
    const pinned = options.core === undefined ? [] : ['taskset', '-c', String(options.core)];
    const [command = program, ...rest] = [...pinned, program, ...args];
    this.child = spawn(command, rest, {
      stdio: ['ignore', 'pipe', options.stderr ?? 'inherit'],
      env: { ...process.env, ...options.env },
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    running.add(this.child);
    this.child.once('exit', () => running.delete(this.child));
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the process did not start');
    return this.child.pid;
  }

  /** CPU seconds of the process itself, and of its living descendants by program name. */
  cpu(): FamilyCpu {
    return cpuOf(this.pid);
  }

  /** The living descendants that run a program of this name. */
  pidsOf(program: string): number[] {
    return familyOf(this.pid)
      .filter(({ pid, name }) => pid !== this.pid && name === program)
      .map(({ pid }) => pid);
  }

  /** CPU seconds of the process and all its living descendants. */
  totalCpuSeconds(): number {
    const { own, descendants } = this.cpu();
    return [...descendants.values()].reduce((sum, seconds) => sum + seconds, own);
  }

  /** Ends the process and its group. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    signalGroup(this.child, 'SIGTERM');
    await Promise.race([ended, delay(10_000)]);
    signalGroup(this.child, 'SIGKILL');
  }
}
