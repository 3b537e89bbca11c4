// docs/reference/query-language.md: the fields and operators of log searches.
import { KINDS } from '../../src/telemetry/logs/log-record.ts';
import {
  ANNOTATION_FIELDS,
  QUERY_FIELDS,
  type FieldValues,
} from '../../src/telemetry/logs/query/field-names.ts';
import { QUERY_LIMITS } from '../../src/telemetry/logs/query/parser.ts';
import { code, fenced, GENERATED, page, table } from '../markdown.ts';

const INTRO = `The query language selects records of the log store: in \`weir logs -q\`, in the parameter \`q\` of the log
routes, and in \`query\` of an OTLP destination. Guide: [Logs](../guides/logs.md).`;

/** Syntax, meaning. A test parses each line of the first column. */
export const SYNTAX: readonly (readonly [syntax: string, meaning: string])[] = [
  ['timeout', 'the message contains this word, in upper or lower case'],
  ['time*', 'a word that begins with this'],
  ['"out of memory"', 'these words in this order'],
  ['/timeout \\d+/', 'a regular expression (RE2); `/…/i` ignores case'],
  ['includes:"a-b"', 'this text, character by character'],
  ['status:503', 'a field has this value; `=` means the same'],
  ['status:5xx', 'a status from 500 to 599'],
  ['replica:r0,r1', 'one of several values; also `replica:(r0 OR r1)`'],
  ['replica:r*', '`*` stands for any characters'],
  ['status!=200', 'the field does not have this value'],
  ['duration>2s', 'comparison with `>`, `>=`, `<` or `<=`'],
  ['level>=warn', 'this level or a higher one'],
  ['model:*', 'the field exists'],
  ['-model:*', 'the field does not exist'],
  ['user.id:42', 'an attribute of the record, by its path'],
  ['@status:active', 'an attribute, although a field has the same name; `@"a name":x` quotes it'],
  ['level>=error replica:r0', 'both terms must hold; `AND` means the same'],
  ['level:error OR status:5xx', 'one of the terms must hold; `|` means the same'],
  ['-health', 'the term must not hold; `NOT` means the same'],
  ['(timeout OR refused) -health', 'parentheses group terms'],
];

const VALUES: Readonly<Record<FieldValues, string>> = {
  text: 'text',
  hex: 'hex digits',
  method: 'HTTP method',
  kind: KINDS.map(code).join(', '),
  level: '`trace`, `debug`, `info`, `warn`, `error`, `fatal`, or 1 to 24',
  status: 'number or group: `503`, `5xx`',
  duration: 'duration: `150ms`, `2s`, `1.5m`; without a unit, milliseconds',
  ms: 'duration: `150ms`, `2s`; without a unit, milliseconds',
  number: 'number',
  message: 'text; `message:` searches words, `message=` compares all of it',
  includes: 'text',
};

const EXAMPLES: Readonly<Record<string, string>> = {
  scores: 'scores.quality>0.5',
  feedback: 'feedback.value:1',
  metadata: 'metadata.user:ann',
  expected: 'expected:yes',
  tags: 'tags:golden',
  comment: 'comment:*wrong*',
};

/** The page. */
export const queryLanguagePage = (): string =>
  page(
    '# Query language',
    GENERATED,
    INTRO,
    '## Syntax',
    table(
      ['write', 'finds records where'],
      SYNTAX.map(([syntax, meaning]) => [code(syntax), meaning]),
    ),
    '## Fields',
    'Names are found in upper and lower case, with and without `_` and `-`. Any other name is an attribute.',
    table(
      ['field', 'other names', 'values'],
      QUERY_FIELDS.map(({ names: [first, ...others], values }) => [
        code(first!),
        others.map(code).join(', '),
        VALUES[values],
      ]),
    ),
    '## Annotations',
    `Short names of what was attached to a record later ([annotations](../guides/logs.md#annotations)). They find an
attribute of the same name too. With \`@\` they find only that: \`@tags:golden\`.`,
    table(
      ['field', 'finds', 'example'],
      ANNOTATION_FIELDS.map(({ name, path, hasMembers }) => [
        code(hasMembers ? `${name}.NAME` : name),
        code(hasMembers ? `${path}.NAME` : path),
        code(EXAMPLES[name]!),
      ]),
    ),
    '## Limits',
    table(
      ['limit', 'most'],
      [
        ['characters of a query', String(QUERY_LIMITS.length)],
        ['terms', String(QUERY_LIMITS.terms)],
        ['depth of parentheses', String(QUERY_LIMITS.depth)],
        ['characters of a regular expression', String(QUERY_LIMITS.regexLength)],
        ['words of a phrase', String(QUERY_LIMITS.words)],
      ],
    ),
    '## Errors',
    'A query that is wrong gets status 400, with the position of the mistake; `weir logs` ends with exit code 5:',
    fenced('sh', "weir logs -q 'level>=wran'"),
  );
