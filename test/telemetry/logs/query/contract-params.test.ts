import { describe, expect, it } from 'vitest';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { contractQuery } from '../../../../src/telemetry/logs/query/contract-params.ts';
import { recordOf } from './arbitrary.ts';
import { and, is, not, or, regex, substring, words } from './cases.ts';

describe('the filters of the contract', () => {
  it('ask for everything when none is given', () => {
    const none = { q: '', min_level: null, replica: '', request_id: undefined, includes: [], excludes: [''] };
    expect(contractQuery(none)).toEqual({ node: { op: 'all' }, hints: [] });
    expect(contractQuery({})).toEqual({ node: { op: 'all' }, hints: [] });
  });

  it('must all hold, together with the text of the query bar', () => {
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
    expect(contractQuery({ q: 'lvel:x' })).toMatchObject({ hints: [expect.stringContaining('level')] });
  });

  it('drop records without a level when a least level is asked for', () => {
    for (const [level, least] of Object.entries({ DEBUG: 5, INFO: 9, WARNING: 13, ERROR: 17 })) {
      const asked = contractQuery({ min_level: level });
      if ('problems' in asked) throw new Error(JSON.stringify(asked));
      const matches = compile(asked.node);
      expect(matches(recordOf({ severity: 0 }))).toBe(false);
      expect(matches(recordOf({ severity: least - 1 }))).toBe(false);
      expect(matches(recordOf({ severity: least }))).toBe(true);
      expect(matches(recordOf({ severity: 24 }))).toBe(true);
    }
  });

  it('say everything that is wrong with them at once', () => {
    expect(
      contractQuery({
        min_level: 'LOUD',
        replica: 'x'.repeat(257),
        request_id: 5,
        component: ['a'],
        search_pattern: '(',
        includes: Array.from({ length: 9 }, () => 'a'),
        excludes: [1],
        q: 'status:abc',
      }),
    ).toEqual({
      problems: [
        {
          name: 'min_level',
          problem: expect.stringMatching(/^unknown level "LOUD"; known levels: .*INFO, WARN, WARNING, ERROR/),
        },
        { name: 'replica', problem: 'must have at most 256 characters' },
        { name: 'request_id', problem: 'must be a text' },
        { name: 'component', problem: 'must be a text' },
        { name: 'search_pattern', problem: expect.stringContaining('missing closing )') },
        { name: 'includes', problem: 'must have at most 8 texts' },
        { name: 'excludes', problem: 'must be a list of texts' },
        { name: 'q', problem: expect.stringContaining('abc is no status'), at: 7 },
      ],
    });
    expect(contractQuery({ q: 5 })).toEqual({ problems: [{ name: 'q', problem: 'must be a text' }] });
    expect(contractQuery({ search_pattern: 'a'.repeat(257) })).toMatchObject({
      problems: [{ name: 'search_pattern' }],
    });
    expect(contractQuery({ includes: ['a'.repeat(4097)] })).toMatchObject({
      problems: [{ name: 'includes' }],
    });
  });

  it('keep to their limits exactly', () => {
    const longest = {
      replica: 'x'.repeat(256),
      search_pattern: 'a'.repeat(256),
      includes: Array.from({ length: 8 }, () => 'a'),
    };
    expect(contractQuery(longest)).toHaveProperty('node');
  });
});
