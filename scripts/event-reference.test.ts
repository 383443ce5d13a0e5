import { expect, test } from '@jest/globals';
import { renderEventReference } from './event-reference.ts';

const PROTO = `syntax = "proto3";

// About the file.
package millrace.events.v1;

// Second in the alphabet.
message Later {
  // Which one: \`a\` |
  // or \`b\`.
  repeated string which = 2;
}

// First.
message Earlier {
  // How many.
  int64 count = 1;
}
`;

test('events come with their fields, in the order of the alphabet', () => {
  const text = renderEventReference(PROTO);
  expect(text.indexOf('## Earlier')).toBeLessThan(text.indexOf('## Later'));
  expect(text).toContain('| `count` | 1 | `int64` | How many. |');
  expect(text).toContain('| `which` | 2 | `repeated string` | Which one: `a` \\| or `b`. |');
});

test.each([
  ['a message', PROTO.replace('// First.\n', ''), '2 messages, of which 1 have a comment'],
  ['a field', PROTO.replace('  // How many.\n', ''), 'Earlier: 1 fields, of which 0 have a comment'],
])('%s without a comment is an error', (_name, proto, message) => {
  expect(() => renderEventReference(proto)).toThrow(message);
});
