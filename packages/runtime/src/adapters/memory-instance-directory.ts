import type { Clock } from '../clock.ts';
import type { InstanceDirectory, InstanceKind, InstanceRegistration } from '../ports/instance-directory.ts';
import { REGISTRATION_TTL_MS, assertInstanceId } from './instance-rules.ts';

/** The instances of one process; the rules are those of every instance directory. */
export class MemoryInstanceDirectory implements InstanceDirectory {
  readonly #clock: Clock;
  readonly #registered = new Map<
    string,
    { readonly registration: InstanceRegistration; readonly expiresAtMs: number }
  >();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  async register(registration: InstanceRegistration): Promise<InstanceRegistration | undefined> {
    assertInstanceId(registration);
    const nowMs = this.#clock();
    const key = keyOf(registration.kind, registration.id);
    const before = this.#registered.get(key);
    this.#registered.set(key, { registration, expiresAtMs: nowMs + REGISTRATION_TTL_MS });
    return before === undefined || before.expiresAtMs <= nowMs ? undefined : before.registration;
  }

  async unregister(kind: InstanceKind, id: string): Promise<void> {
    this.#registered.delete(keyOf(kind, id));
  }

  async list(kind: InstanceKind): Promise<readonly InstanceRegistration[]> {
    const nowMs = this.#clock();
    for (const [key, { expiresAtMs }] of this.#registered) {
      if (expiresAtMs <= nowMs) this.#registered.delete(key);
    }
    return [...this.#registered.values()]
      .map(({ registration }) => registration)
      .filter((registration) => registration.kind === kind)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function keyOf(kind: InstanceKind, id: string): string {
  return `${kind}:${id}`;
}
