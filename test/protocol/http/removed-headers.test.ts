// Tests of headers that replicas do not get.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RemovedHeaders } from '../../../src/protocol/http/removed-headers.ts';

it('removes lines with these names, in any case and with _ for -', () => {
  const removed = new RemovedHeaders(['Cookie', 'x-user']);
  const lines = 'A: 1\r\ncookie: x: y\r\nX_USER: 2\r\nX-User:3\r\nX-Users: 4\r\n';
  expect(removed.from(lines)).toBe('A: 1\r\nX-Users: 4\r\n');
  expect(removed.from('A: 1\r\n')).toBe('A: 1\r\n');
  expect(removed.from('Cookie: 1\r\n')).toBe('');
  expect(removed.from('')).toBe('');
});

it('removes the same lines as a filter of them', () => {
  const names = ['cookie', 'x-a', 'authorization', 'b'];
  const line = fc.tuple(
    fc.constantFrom('cookie', 'Cookie', 'x_a', 'X-A', 'x-b', 'b', 'Host', 'cooki', 'authorization'),
    fc.stringMatching(/^[ -~]{0,12}$/),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (all) => {
      const removed = new RemovedHeaders(names);
      const kept = all.filter(([name]) => !names.includes(name.toLowerCase().replaceAll('_', '-')));
      const text = (some: typeof all) => some.map(([name, value]) => `${name}: ${value}\r\n`).join('');
      expect(removed.from(text(all))).toBe(text(kept));
    }),
  );
});
