// Texts of the query bar with the expected queries, errors and hints (parse.test.ts), and short functions for nodes.
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';

const all: QueryNode = { op: 'all' };
export const words = (...words: string[]): QueryNode => ({ op: 'words', words, isPrefix: false });
const prefix = (...words: string[]): QueryNode => ({ op: 'words', words, isPrefix: true });
export const substring = (text: string): QueryNode => ({ op: 'substring', text });
export const regex = (pattern: string): QueryNode => ({ op: 'regex', pattern });
export const and = (...of: QueryNode[]): QueryNode => ({ op: 'and', of });
export const or = (...of: QueryNode[]): QueryNode => ({ op: 'or', of });
export const not = (of: QueryNode): QueryNode => ({ op: 'not', of });
const exists = (name: string): QueryNode => ({ op: 'exists', name });
type Field = Extract<QueryNode, { op: 'field' }>;
export const is = (name: string, value: Field['value'], compare: Field['compare'] = '='): QueryNode => ({
  op: 'field',
  name,
  compare,
  value,
});
const between = (name: string, from: number, to: number) => and(is(name, from, '>='), is(name, to, '<='));

export const QUERIES: [string, QueryNode][] = [
  ['', all],
  ['  \t\n ', all],
  ['*', all],
  // Words and phrases
  ['timeout', words('timeout')],
  ['TimeOut', words('timeout')],
  ['time*', prefix('time')],
  ['connection refused', and(words('connection'), words('refused'))],
  ['"out of memory"', words('out', 'of', 'memory')],
  ['"out of mem"*', prefix('out', 'of', 'mem')],
  ['out-of-memory', words('out', 'of', 'memory')],
  ['out_of_mem*', prefix('out', 'of', 'mem')],
  ['"say \\"hi\\" \\\\ C:\\new"', words('say', 'hi', 'c', 'new')],
  ['"level:warn OR (x)"', words('level', 'warn', 'or', 'x')],
  ['"!!"', substring('!!')],
  ['→', substring('→')],
  ['"failed:"*', words('failed')],
  ['a|b', or(words('a'), words('b'))],
  ['Größe', words('grosse')],
  ['IŞIK', words('isik')],
  ['显存不足', words('显', '存', '不', '足')],
  ['显存*', words('显', '存')],
  ['فشل', words('فشل')],
  ['🔥', words('🔥')],
  ['http://host:8080/a', words('http', 'host', '8080', 'a')],
  ['std::bad_alloc', words('std', 'bad', 'alloc')],
  ['12:30:45', words('12', '30', '45')],
  ["don't", words('don', 't')],
  ['/v1/predict', words('v1', 'predict')],
  ['/metrics', words('metrics')],
  // Operators
  ['a OR b c', or(words('a'), and(words('b'), words('c')))],
  ['a AND b OR c', or(and(words('a'), words('b')), words('c'))],
  ['(a OR b) c', and(or(words('a'), words('b')), words('c'))],
  ['a | b | c', or(words('a'), words('b'), words('c'))],
  ['-health', not(words('health'))],
  ['NOT health', not(words('health'))],
  ['NOT NOT a', not(not(words('a')))],
  ['-(a b)', not(and(words('a'), words('b')))],
  ['a -b', and(words('a'), not(words('b')))],
  ['-"a b"', not(words('a', 'b'))],
  ['-/x/', not(regex('x'))],
  ['-status:5xx', not(between('status', 500, 599))],
  ['oR', words('or')],
  // Regular expressions
  ['/timeout after \\d+/', regex('timeout after \\d+')],
  ['/TIME/i', regex('(?i)TIME')],
  ['/a\\/b\\\\/', regex('a/b\\\\')],
  ['(/a/|/b/)', or(regex('a'), regex('b'))],
  // Fields
  ['requestId:3125', is('requestId', '3125')],
  ['request_id:AbC', is('requestId', 'AbC')],
  ['REQUEST-ID:x', is('requestId', 'x')],
  ['request:x', is('requestId', 'x')],
  ['requestId:31*', is('requestId', '31*', 'like')],
  ['requestId:"31*"', is('requestId', '31*')],
  ['traceId:ABCD', is('traceId', 'abcd')],
  ['trace:ab,cd', or(is('traceId', 'ab'), is('traceId', 'cd'))],
  ['spanId=EF', is('spanId', 'ef')],
  ['level:warn', between('severity', 13, 16)],
  ['level:WARNING', between('severity', 13, 16)],
  ['severity:fatal', between('severity', 21, 24)],
  ['level:notice', is('severity', 10)],
  ['level>=warn', is('severity', 13, '>=')],
  ['level>warn', is('severity', 16, '>')],
  ['level<warn', is('severity', 13, '<')],
  ['level<=warn', is('severity', 16, '<=')],
  ['level:>=warn', is('severity', 13, '>=')],
  ['level!=info', not(between('severity', 9, 12))],
  ['level:17', is('severity', 17)],
  ['level:(warn OR error)', or(between('severity', 13, 16), between('severity', 17, 20))],
  ['level:*', exists('severity')],
  ['-level:*', not(exists('severity'))],
  ['replica:abc12', is('replica', 'abc12')],
  ['env:production', is('environment', 'production')],
  ['environment!=production', not(is('environment', 'production'))],
  ['replica!=a,b', not(or(is('replica', 'a'), is('replica', 'b')))],
  ['kind:Request', is('kind', 'request')],
  ['status:503', is('status', 503)],
  ['status:5XX', between('status', 500, 599)],
  ['status>=500', is('status', 500, '>=')],
  ['status>4xx', is('status', 499, '>')],
  ['status:404,5xx', or(is('status', 404), between('status', 500, 599))],
  ['duration>2s', is('durationNs', 2e9, '>')],
  ['duration>=150ms', is('durationNs', 150e6, '>=')],
  ['duration<1m', is('durationNs', 60e9, '<')],
  ['duration>1.5s', is('durationNs', 1.5e9, '>')],
  ['duration>250', is('durationNs', 250e6, '>')],
  ['duration>5us', is('durationNs', 5000, '>')],
  ['queue_ms>2s', is('queue_ms', 2000, '>')],
  [
    'ttft>=20',
    or(is('first_token_ms', 20, '>='), and(not(exists('first_token_ms')), is('first_byte_ms', 20, '>='))),
  ],
  ['ttft:*', or(exists('first_token_ms'), and(not(exists('first_token_ms')), exists('first_byte_ms')))],
  ['first_byte>20ms', is('first_byte_ms', 20, '>')],
  ['tokens>4000', is('total_tokens', 4000, '>')],
  ['finish:length', is('finish_reason', 'length')],
  ['cost>0.01', is('cost', 0.01, '>')],
  ['tps<20', is('tokens_per_second', 20, '<')],
  ['model:llama*', is('model', 'llama*', 'like')],
  ['head_ms<50', is('head_ms', 50, '<')],
  ['method:post', is('method', 'POST')],
  ['path:/v1/predict', is('path', '/v1/predict')],
  ['path:/v1/*', is('path', '/v1/*', 'like')],
  ['cause:reset_midway', is('cause', 'reset_midway')],
  ['model:"Qwen 3"', is('model', 'Qwen 3')],
  ['input_tokens>1000', is('input_tokens', 1000, '>')],
  ['promptTokens:5', is('input_tokens', 5)],
  ['message:timeout', words('timeout')],
  ['message:"out of memory"', words('out', 'of', 'memory')],
  ['message:tim*', prefix('tim')],
  ['message=timeout', is('message', 'timeout')],
  ['message:*out*', is('message', '*out*', 'like')],
  ['includes:"Out of"', substring('Out of')],
  ['includes:a*b', substring('a*b')],
  ['source:stderr', is('source', 'stderr')],
  ['pod:p1', is('pod', 'p1')],
  ['model_id:m1', is('modelId', 'm1')],
  // Attributes
  ['user.id:42', is('user.id', 42)],
  ['user.id:"42"', is('user.id', '42')],
  ['user.id:007', is('user.id', '007')],
  ['x=""', is('x', '')],
  ['user.id>42', is('user.id', 42, '>')],
  ['user.id>"42"', is('user.id', '42', '>')],
  ['Model.Name:x', is('Model.Name', 'x')],
  ['x:*', exists('x')],
  ['x:a*b', is('x', 'a*b', 'like')],
  ['x:"a*b"', is('x', 'a*b')],
  ['x:"a:b (c) OR"', is('x', 'a:b (c) OR')],
  ['x:(a | "b c" , d)', or(is('x', 'a'), is('x', 'b c'), is('x', 'd'))],
  ['x:-1', is('x', -1)],
  ['x>-1.5', is('x', -1.5, '>')],
  ['@status:ok', is('@status', 'ok')],
  ['@Model:x', is('Model', 'x')],
  ['@"a b":c', is('a b', 'c')],
  ['größe:1', is('größe', 1)],
  // Everything combined
  [
    'requestId:31 level>=warn replica:abc12 env:production "out of memory" -health /timeout \\d+/ duration>2s status:5xx',
    and(
      is('requestId', '31'),
      is('severity', 13, '>='),
      is('replica', 'abc12'),
      is('environment', 'production'),
      words('out', 'of', 'memory'),
      not(words('health')),
      regex('timeout \\d+'),
      is('durationNs', 2e9, '>'),
      between('status', 500, 599),
    ),
  ],
];

/** Text of the query, the error, its position. */
export const PROBLEMS: [string, RegExp, number][] = [
  ['a "b c', /^unclosed quote; add a closing " \(write \\" for a quote inside the text\)$/, 2],
  ['x:"b', /^unclosed quote/, 2],
  ['a (b', /^unclosed parenthesis; add a closing \)$/, 2],
  ['x:(a OR b', /^unclosed parenthesis; add a closing \)$/, 2],
  ['a)', /^unmatched \); put it in quotes/, 1],
  ['()', /^missing term before \); put it in quotes/, 1],
  ['a OR', /^missing term at the end$/, 4],
  ['OR a', /^missing term before OR; put it in quotes/, 0],
  ['a AND OR b', /^missing term before OR/, 6],
  ['NOT', /^missing term at the end$/, 3],
  ['a - b', /^missing term after -; write it without a space \(-health\)$/, 2],
  ['""', /^empty quotes; write the text/, 0],
  ['level:', /^missing value after level:; /, 6],
  ['Error: failed', /^missing value after Error:; put text with special characters in quotes/, 6],
  ['level: warn', /^missing value after level:/, 6],
  ['x:a,', /^missing value after x:/, 4],
  ['x:""', /^missing value after x:.*write -key:\* for records without the field$/, 2],
  ['x:()', /^missing value after x:/, 3],
  ['x:(a b)', /^missing OR or comma between values; write x:\(a OR b\)$/, 5],
  ['status >= 500', /^missing field before >=; write a condition without spaces \(status>=500\)/, 7],
  ['a != b', /^missing field before !=/, 2],
  ['level:lout', /^unknown level "lout"; /, 6],
  ['level:eror', /^unknown level "eror"; did you mean "error"\?$/, 6],
  ['level:25', /^unknown level "25"; use trace, .*, fatal or a number from 1 to 24$/, 6],
  ['level:w*', /^unknown level "w\*"/, 6],
  ['status:abc', /^invalid status "abc"; use a number such as 503 or a group such as 5xx$/, 7],
  ['status:60xx', /^invalid status "60xx"/, 7],
  ['duration>2x', /^invalid duration "2x"; use a number with .*150ms$/, 9],
  ['duration>2Ms', /^invalid duration "2Ms"/, 9],
  ['duration>-1s', /^invalid duration "-1s"/, 9],
  ['kind:metric', /^unknown kind "metric"; known kinds: request, line, span, event, annotation$/, 5],
  ['input_tokens:many', /^invalid value "many" of input_tokens; use a number/, 13],
  ['replica>a', /^invalid operator > for the text field replica; use :, = or !=$/, 8],
  ['includes>a', /^invalid operator > for includes; use includes:text or includes!=text$/, 9],
  ['level>(warn,error)', /^level> takes one value; lists are allowed with :, = and !=$/, 0],
  ['@"a b"', /^missing operator after @"a b"; write @"a b":value$/, 0],
  ['/(/', /^invalid regular expression: .*missing closing \)/, 0],
  ['x /(?<=a)b/', /^invalid regular expression: ./, 2],
  ['ti*me', /^invalid \* inside a word; write it at the end \(time\*\)/, 0],
  ['**', /^invalid \* inside a word/, 0],
  [`/${'a'.repeat(257)}/`, /^regular expression too long: 257 characters, the maximum is 256$/, 0],
  [
    `${'('.repeat(33)}a${')'.repeat(33)}`,
    /^too many nested parentheses and negations; the maximum is 32$/,
    33,
  ],
  [`${'-'.repeat(40)}a`, /^too many nested/, 33],
  ['a '.repeat(101), /^too many terms; the maximum is 100$/, 200],
  [`x:${'a,'.repeat(100)}a`, /^too many terms; the maximum is 100$/, 0],
  ['a'.repeat(4097), /^query too long: 4097 characters, the maximum is 4096$/, 4096],
  [`${'k'.repeat(257)}:a`, /^field name too long: 257 characters, the maximum is 256$/, 0],
  [`a "${'b '.repeat(101)}"`, /^text too long: 101 words, the maximum is 100$/, 2],
  [`message:"${'b '.repeat(101)}"`, /^text too long: 101 words, the maximum is 100$/, 8],
  ['|'.repeat(601), /^too many words and operators; the maximum is 600$/, 600],
];

export const HINTS: [string, RegExp][] = [
  ['lvel:warn', /^"lvel" is searched as an attribute; did you mean the field "level"\?/],
  ['stauts:500', /did you mean the field "status"\?/],
  ['a or b', /^"or" is searched as a word; the operator is OR$/],
  ['/v1/predict', /^"\/v1\/predict" is searched as words; a regular expression is written \/expression\//],
  ['duration:2s', /^duration:2s matches only this exact duration; use duration>=2s/],
  ['elapsed>2s', /^"2s" is not a number, so the attribute "elapsed" is compared as text$/],
];

export const NO_HINTS = [
  'requestid:a',
  'request_id:a',
  'user.id:5',
  '@lvel:warn',
  'id:5',
  'elapsed>2',
  '/a/',
  '',
];

/** Text with several problems; of each the beginning of its text, its place and its length. */
export const PLACES: [string, [string, number, number][]][] = [
  [
    'level:wran kind:metric',
    [
      ['unknown level "wran"', 6, 4],
      ['unknown kind "metric"', 16, 6],
    ],
  ],
  [
    'level:wran,eror',
    [
      ['unknown level "wran"', 6, 4],
      ['unknown level "eror"', 11, 4],
    ],
  ],
  [
    'level:"wran" -status:abc',
    [
      ['unknown level "wran"', 6, 6],
      ['invalid status "abc"', 21, 3],
    ],
  ],
  [
    '(level:wran OR ) status:x',
    [
      ['unknown level "wran"', 7, 4],
      ['missing term before )', 15, 1],
      ['invalid status "x"', 24, 1],
    ],
  ],
  [
    'a) OR level:x)',
    [
      ['unmatched )', 1, 1],
      ['unknown level "x"', 12, 1],
      ['unmatched )', 13, 1],
    ],
  ],
  [') a', [['missing term before )', 0, 1]]],
  [
    'OR OR a',
    [
      ['missing term before OR', 0, 2],
      ['missing term before OR', 3, 2],
    ],
  ],
  [
    'level: status:x',
    [
      ['missing value after level', 6, 0],
      ['invalid status "x"', 14, 1],
    ],
  ],
  [
    'x:(a b',
    [
      ['unclosed parenthesis', 2, 1],
      ['missing OR or comma between values', 5, 1],
    ],
  ],
  [
    'x:((a)) level:x',
    [
      ['missing value after x', 3, 3],
      ['unknown level "x"', 14, 1],
    ],
  ],
  [
    'level:x "b c',
    [
      ['unknown level "x"', 6, 1],
      ['unclosed quote', 8, 4],
    ],
  ],
  ['level:"wran', [['unclosed quote', 6, 5]]],
  [
    'ti*me /(/ ((b',
    [
      ['invalid * inside a word', 0, 5],
      ['invalid regular expression', 6, 3],
      ['unclosed parenthesis', 10, 1],
      ['unclosed parenthesis', 11, 1],
    ],
  ],
  [
    'level:x NOT',
    [
      ['unknown level "x"', 6, 1],
      ['missing term at the end', 11, 0],
    ],
  ],
];

/** A text whose first problem or hint has a suggestion, and the text with it. */
export const SUGGESTIONS: [string, string][] = [
  ['a level:wran b', 'a level:warn b'],
  ['kind:requets', 'kind:request'],
  ['a "b c', 'a "b c"'],
  ['lvel:warn', 'level:warn'],
  ['a or b', 'a OR b'],
  ['duration:2s', 'duration>=2s'],
];
