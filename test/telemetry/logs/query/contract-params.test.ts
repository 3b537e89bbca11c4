import { describe, expect, it } from 'vitest';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { contractQuery } from '../../../../src/telemetry/logs/query/contract-params.ts';
import { recordOf } from './arbitrary.ts';
import { and, is, not, or, regex, substring, words } from './cases.ts';

describe('contractQuery', () => {
  it('matches every record if no filter is given', () => {
    const none = { q: '', min_level: null, replica: '', request_id: undefined, includes: [], excludes: [''] };
    expect(contractQuery(none)).toEqual({ node: { op: 'all' }, hints: [] });
    expect(contractQuery({})).toEqual({ node: { op: 'all' }, hints: [] });
  });

  it('combines all filters and the text of the query bar with and', () => {
    expect(
      contractQuery({
        min_level: 'WARNING',
        replica: 'abc12',
        request_id: 'r1',
        component: 'tokenizer',
        search_pattern: 'time.*out',
        includes: ['A "b', '*'],
        excludes: ['health'],
        q: 'x OR y',
      }),
    ).toEqual({
      node: and(
        is('severity', 13, '>='),
        is('replica', 'abc12'),
        is('requestId', 'r1'),
        is('component', 'tokenizer'),
        regex('time.*out'),
        substring('A "b'),
        substring('*'),
        not(substring('health')),
        or(words('x'), words('y')),
      ),
      hints: [],
    });
    expect(contractQuery({ includes: 'one' })).toEqual({ node: substring('one'), hints: [] });
    expect(contractQuery({ q: 'lvel:x' })).toMatchObject({
      hints: [{ text: expect.stringContaining('level'), at: 0, length: 4, suggestion: 'level' }],
    });
  });

  it('excludes records without a level if a minimum level is given', () => {
    for (const [level, minimum] of Object.entries({ DEBUG: 5, INFO: 9, WARNING: 13, ERROR: 17 })) {
      const query = contractQuery({ min_level: level });
      if ('problems' in query) throw new Error(JSON.stringify(query));
      const matches = compile(query.node);
      expect(matches(recordOf({ severity: 0 }))).toBe(false);
      expect(matches(recordOf({ severity: minimum - 1 }))).toBe(false);
      expect(matches(recordOf({ severity: minimum }))).toBe(true);
      expect(matches(recordOf({ severity: 24 }))).toBe(true);
    }
  });

  it('returns the errors of all parameters', () => {
    expect(
      contractQuery({
        min_level: 'LOUD',
        replica: 'x'.repeat(257),
        request_id: 5,
        component: ['a'],
        search_pattern: '(',
        includes: Array.from({ length: 9 }, () => 'a'),
        excludes: [1],
        q: 'status:abc level:wran',
      }),
    ).toEqual({
      problems: [
        {
          name: 'min_level',
          problem: expect.stringMatching(/^unknown level "LOUD"; known levels: .*INFO, WARN, WARNING, ERROR/),
        },
        { name: 'replica', problem: 'must have at most 256 characters, has 257' },
        { name: 'request_id', problem: 'must be a string' },
        { name: 'component', problem: 'must be a string' },
        { name: 'search_pattern', problem: expect.stringContaining('missing closing )') },
        { name: 'includes', problem: 'must have at most 8 strings, has 9' },
        { name: 'excludes', problem: 'must be a list of strings' },
        { name: 'q', problem: expect.stringContaining('invalid status "abc"'), at: 7, length: 3 },
        {
          name: 'q',
          problem: expect.stringContaining('unknown level'),
          at: 17,
          length: 4,
          suggestion: 'warn',
        },
      ],
    });
    expect(contractQuery({ q: 5 })).toEqual({ problems: [{ name: 'q', problem: 'must be a string' }] });
    expect(contractQuery({ search_pattern: 'a'.repeat(257) })).toMatchObject({
      problems: [{ name: 'search_pattern' }],
    });
    expect(contractQuery({ includes: ['a'.repeat(4097)] })).toMatchObject({
      problems: [{ name: 'includes' }],
    });
  });

  it('accepts filters of exactly the maximum length and number', () => {
    const longest = {
      replica: 'x'.repeat(256),
      search_pattern: 'a'.repeat(256),
      includes: Array.from({ length: 8 }, () => 'a'),
    };
    expect(contractQuery(longest)).toHaveProperty('node');
  });
});
