/** One field of an event, as its `.proto` file says it. */
interface Field {
  readonly name: string;
  readonly number: string;
  readonly type: string;
  readonly comment: string;
}

/** One event. */
interface EventMessage {
  readonly name: string;
  readonly comment: string;
  readonly fields: readonly Field[];
}

const MESSAGE = /((?:^\/\/.*\n)+)message (\w+) \{\n([^}]*)\}/gm;
const FIELD = /((?:^ +\/\/.*\n)+) +((?:repeated )?[\w.]+) (\w+) = (\d+);/gm;

/**
 * Renders what `millrace.events.v1` says about its messages as one section for each, in the order of the alphabet.
 *
 * Throws for a file that has a message or a field that it does not find: nothing is left out in silence.
 */
export function renderEventReference(proto: string): string {
  const events = parseMessages(proto);
  const declared = proto.match(/^message /gm)?.length ?? 0;
  if (events.length !== declared)
    throw new Error(`${declared} messages, of which ${events.length} have a comment`);
  return events
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map(({ name, comment, fields }) => {
      const rows = fields.map(
        (field) => `| \`${field.name}\` | ${field.number} | \`${field.type}\` | ${field.comment} |`,
      );
      return [
        `## ${name}`,
        '',
        comment,
        '',
        '| field | number | type | meaning |',
        '| --- | --- | --- | --- |',
        ...rows,
      ].join('\n');
    })
    .join('\n\n');
}

function parseMessages(proto: string): readonly EventMessage[] {
  return [...proto.matchAll(MESSAGE)].map(([, comment = '', name = '', body = '']) => {
    const fields = [...body.matchAll(FIELD)].map(
      ([, about = '', type = '', fieldName = '', number = '']) => ({
        name: fieldName,
        number,
        type,
        comment: textOf(about),
      }),
    );
    const declared = body.match(/ = \d+;/g)?.length ?? 0;
    if (fields.length !== declared)
      throw new Error(`${name}: ${declared} fields, of which ${fields.length} have a comment`);
    return { name, comment: textOf(comment), fields };
  });
}

function textOf(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^ *\/\/ ?/, ''))
    .join(' ')
    .trim()
    .replaceAll('|', '\\|');
}
