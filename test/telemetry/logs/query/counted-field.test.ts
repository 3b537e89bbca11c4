// Tests of fields whose values are counted, and of queries without the conditions on one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countedField, withoutField } from '../../../../src/telemetry/logs/query/counted-field.ts';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { node as anyNode, record } from './arbitrary.ts';

function nodeOf(text: string): QueryNode {
  const parsed = parseQuery(text);
  if ('problem' in parsed) throw new Error(`${text}: ${parsed.problem}`);
  return parsed.node;
}

describe('a counted field', () => {
  it.each([
    ['status', 'status', ['status']],
    ['level', 'level', ['severity']],
    ['env', 'environment', ['environment']],
    ['cause', 'cause', ['cause']],
    ['metadata.tier', 'metadata.tier', ['metadata.tier', 'annotations.metadata.tier']],
    ['@status', '@status', ['@status']],
    ['user.plan', 'user.plan', ['user.plan']],
  ])('%s has a key and the names of its conditions', (name, key, names) =>
    expect(countedField(name)).toEqual({ key, names }),
  );

  it.each(['message', 'includes', 'duration', 'ttft'])('is not %s, which has too many values', (name) =>
    expect(countedField(name)).toBeUndefined(),
  );

  it.each([
    ['status', 'status:5xx replica:r0', 'replica:r0'],
    ['status', 'status:5xx', ''],
    ['status', '-status:404,499 timeout', 'timeout'],
    ['status', '(status:200 OR status:503) level:error', 'level:error'],
    ['status', 'status:5xx OR replica:r0', 'status:5xx OR replica:r0'],
    ['status', '@status:x', '@status:x'],
    ['level', 'level>=warn status:*', 'status:*'],
    ['metadata.tier', 'metadata.tier:gold metadata.user:ann', 'metadata.user:ann'],
    ['cause', 'a (cause:ok (b cause:timeout))', 'a b'],
  ])('leaves the conditions on %s out of %s', (name, text, others) => {
    const conditions = (one: QueryNode): QueryNode[] =>
      one.op === 'and' ? one.of.flatMap(conditions) : one.op === 'all' ? [] : [one];
    const left = withoutField(nodeOf(text), countedField(name)!);
    expect(conditions(left)).toEqual(conditions(nodeOf(others)));
  });

  it('gives a query that matches all records that the whole query matches', () => {
    const names = fc.constantFrom('status', 'level', 'replica', 'kind', 'cause', 'metadata.tier');
    fc.assert(
      fc.property(anyNode, names, record, (node, name, one) => {
        if (compile(node)(one)) expect(compile(withoutField(node, countedField(name)!))(one)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});
