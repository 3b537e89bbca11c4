import fc from 'fast-check';
import { expect, it } from 'vitest';
import { jsonLine, accessTextLine } from '../../../src/core/exchange/access-log.ts';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';

const ended = (method: string, target: string, detail: string) => {
  const exchange = new Exchanges({ trust_inbound: false }).open(undefined);
  Object.assign(exchange, { method, target });
  exchange.fail('bad_request', detail);
  return exchange;
};

it('writes one line of valid JSON, whatever the client sent', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (target, detail) => {
      const line = jsonLine(ended('GET', target, detail), undefined);
      expect(line.indexOf('\n')).toBe(line.length - 1);
      const parsed = JSON.parse(line) as Record<string, unknown>;
      expect(parsed['path']).toBe(target.split('?')[0]);
    }),
  );
});

it('writes no control characters to a terminal', () => {
  const line = accessTextLine(ended('GET', '/\u001b[2J\r\n', ''), undefined);
  // oxlint-disable-next-line no-control-regex -- the test looks for them
  expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f]/);
});

it('leaves out the query, since it may hold secrets', () => {
  expect(jsonLine(ended('GET', '/x?key=secret', ''), undefined)).not.toContain('secret');
  expect(accessTextLine(ended('GET', '/x?key=secret', ''), undefined)).not.toContain('secret');
});
