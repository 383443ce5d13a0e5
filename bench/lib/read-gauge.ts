/** What a gauge of a process says, over all its labels; 0 while the process does not answer. */
export async function readGauge({ admin }: { readonly admin: string }, gauge: string): Promise<number> {
  const text = await fetch(`${admin}/metrics`).then(
    (response) => response.text(),
    () => '',
  );
  const values = text.matchAll(new RegExp(`^${gauge}(?:\\{.*\\})? (\\S+)$`, 'gm'));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}
