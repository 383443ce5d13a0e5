import { parseArgs } from 'node:util';

/** A number that a bench takes: its default, and what `--short` makes of it. */
export interface OptionSpec {
  readonly long: number;
  readonly short: number;
  readonly describe: string;
}

/**
 * Reads `--name value` and `--short` from the command line; numbers only.
 *
 * `--help` prints the options and ends the process with 0; an unknown one or a value that is no number ends it with 2.
 */
export function parseOptions<T extends Readonly<Record<string, OptionSpec>>>(
  specs: T,
): { readonly [K in keyof T]: number } & { readonly isShort: boolean } {
  const names = Object.keys(specs);
  const refuse = (message: string): never => {
    process.stderr.write(`${message}; --help lists the options\n`);
    process.exit(2);
  };
  const flags = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      options: { ...flags, short: { type: 'boolean' }, help: { type: 'boolean' } },
    }));
  } catch (error) {
    return refuse((error as Error).message);
  }
  if (values['help'] === true) {
    const lines = Object.entries(specs).map(
      ([name, { long, short, describe }]) => `  --${name}  ${describe} (default ${long}, short ${short})`,
    );
    process.stdout.write(`${[...lines, '  --short  take the short defaults'].join('\n')}\n`);
    process.exit(0);
  }
  const isShort = values['short'] === true;
  const chosen = Object.entries(specs).map(([name, spec]) => {
    const text = values[name];
    const value = typeof text === 'string' ? Number(text) : isShort ? spec.short : spec.long;
    return [
      name,
      Number.isFinite(value) && value > 0 ? value : refuse(`--${name} ${String(text)}: not a number`),
    ];
  });
  return { ...(Object.fromEntries(chosen) as { [K in keyof T]: number }), isShort };
}
