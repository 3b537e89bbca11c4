// Unusual, broken and cut responses of language models, and what they say.
import {
  chunk,
  counts,
  events,
  JSON_TYPE,
  LINES_TYPE,
  lines,
  llmBody,
  plain,
  said,
  SSE_TYPE,
  usageChunk,
  type LlmBody,
  type SaidFacts,
} from './llm-bodies.ts';

const stream = (name: string, body: string | Buffer, facts?: SaidFacts, isUnassembled = false): LlmBody =>
  llmBody(name, SSE_TYPE, body, facts, { isUnassembled });
const cut = (name: string, body: string, facts?: SaidFacts, isUnassembled = false): LlmBody =>
  llmBody(name, SSE_TYPE, body, facts, { isCut: true, isUnassembled });

const ROLE = chunk({ role: 'assistant', content: '' });
const usual = events(ROLE, chunk({ content: 'a' }), chunk({}, 'stop'), usageChunk, '[DONE]');
const saidUsual = said({ events: 1, isFinished: true });
/** A usual stream with this text between its events. */
const around = (text: string): string => usual.replace('\n\ndata: ', `\n\n${text}data: `);

const LINE_ENDS: readonly LlmBody[] = [
  stream('lines that end with CRLF', usual.replaceAll('\n', '\r\n'), saidUsual),
  stream('lines that end with CR', usual.replaceAll('\n', '\r'), saidUsual),
  stream(
    'lines that end with LF, CR and CRLF',
    usual.replace('\n\n', '\r\r\n').replace('\n\n', '\n\r'),
    saidUsual,
  ),
  stream('a byte order mark before a stream', `\uFEFF${usual}`, saidUsual),
  stream(
    'a part of a byte order mark',
    Buffer.concat([Buffer.from([0xef, 0xbb]), Buffer.from(usual)]),
    saidUsual,
  ),
  stream(
    'comments and other fields',
    around(': ping\n\n:\n\nid: 1\nretry: 10\ndatum: {\nd: 1\n\n'),
    saidUsual,
  ),
  stream('no spaces after colons', usual.replaceAll('data: ', 'data:'), saidUsual),
  stream('more spaces after colons', usual.replaceAll('data: ', 'data: \t '), saidUsual),
  stream('spaces around the end mark', usual.replace('data: [DONE]', 'data:  [DONE] '), saidUsual),
  stream('empty data', around('data\n\ndata:\n\ndata: \n\ndata:\ndata: \n\n'), saidUsual),
  stream('empty data before data', usual.replaceAll('data: ', 'data:\ndata\ndata: '), saidUsual),
  stream('no final line end', usual.slice(0, -2), saidUsual),
  stream('one final line end', usual.slice(0, -1), saidUsual),
  stream(
    'no end mark and no final line end',
    events(chunk({ content: 'a' }, 'stop'), usageChunk).slice(0, -2),
    saidUsual,
  ),
  stream(
    'data of several lines',
    [ROLE, chunk({ content: 'a' }), chunk({}, 'stop'), usageChunk, '[DONE]']
      .map(
        (one) =>
          `data: ${typeof one === 'string' ? one : JSON.stringify(one, null, 1).replaceAll('\n', '\ndata: ')}\n\n`,
      )
      .join(''),
    saidUsual,
  ),
  stream(
    'an end mark of two lines, which is none',
    events(chunk({ content: 'a' })) + 'data: [DO\ndata: NE]\n\n',
    { model: 'm', id: 'c1', events: 1 },
  ),
  stream(
    'a string of two lines, which is not JSON',
    around('data: {"model":"x","choices":[{"delta":{"content":"a\ndata: b"},"finish_reason":"length"}]}\n\n'),
    saidUsual,
  ),
  llmBody(
    'lines with empty lines, CRLF and without a final one',
    LINES_TYPE,
    `\uFEFF\r\n${lines({ model: 'm', response: 'a', done: false })}\r\n \r\n${lines({
      model: 'm',
      response: '',
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 7,
      eval_count: 2,
    }).trim()}`,
    { model: 'm', finish: 'stop', input: 7, output: 2, total: 9, events: 1, isFinished: true },
  ),
];

const CUTS: readonly LlmBody[] = [
  cut(
    'a stream that is cut in its last event',
    events(chunk({ content: 'a' }), chunk({}, 'stop')).slice(0, -20),
    {
      model: 'm',
      id: 'c1',
      events: 1,
    },
  ),
  cut(
    'a stream that is cut before the end of its last event',
    events(chunk({ content: 'a' }), chunk({}, 'stop')).slice(0, -1),
    {
      model: 'm',
      id: 'c1',
      events: 1,
    },
  ),
  cut('a stream that is cut in its first event', events(ROLE).slice(0, -4)),
  cut('an empty stream', ''),
  llmBody(
    'lines that are cut',
    LINES_TYPE,
    `${lines({ model: 'm', response: 'a', done: false })}{"model":"m","done":true}`,
    {
      model: 'm',
      events: 1,
    },
    { isCut: true },
  ),
  stream(
    'a stream that ends in an event',
    usual + 'data: {"id":"c2","choices":[{"index":0,"finish_reason":"length"}],',
    saidUsual,
  ),
  llmBody('a plain body that is cut', JSON_TYPE, '{"model":"m","usage":{"prompt_tokens":1}}', undefined, {
    isCut: true,
  }),
  llmBody(
    'a plain body that ends too early',
    JSON_TYPE,
    '{"model":"m","done":true,"prompt_eval_count":1,',
    undefined,
  ),
  llmBody(
    'a plain body with more behind it',
    JSON_TYPE,
    '{"model":"m","usage":{"prompt_tokens":1}}}',
    undefined,
  ),
  llmBody('a plain body with an end mark', JSON_TYPE, '{"usage":{"prompt_tokens":1}} [DONE]', undefined),
  llmBody('an empty body', JSON_TYPE, '', undefined),
  llmBody('a body of spaces', JSON_TYPE, ' \r\n\t', undefined),
  llmBody('a list', JSON_TYPE, '[{"model":"m","usage":{"prompt_tokens":1}}]', undefined),
  llmBody('a number', JSON_TYPE, '12 ', undefined),
  plain('JSON of another kind', { id: 7, result: { usage: { prompt_tokens: 1 } }, done: 'no' }, undefined),
  stream(
    'events of another kind',
    events({ progress: 1 }, { usage: 'none' }, 'text') + 'event: end\ndata: {}\n\n',
  ),
  llmBody('text', 'text/plain', JSON.stringify(usageChunk), undefined),
];

const TOOLS: readonly LlmBody[] = [
  stream(
    'tool calls without an index',
    events(
      chunk({
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 't1', function: { name: 'a', arguments: '{"usage":{' } }],
      }),
      chunk({ tool_calls: [{ id: 't2', type: 'function', function: { name: 'b', arguments: '}}' } }] }),
      chunk({}, 'tool_calls'),
      usageChunk,
      '[DONE]',
    ),
    said({ finish: 'tool_calls', events: 2, isFinished: true }),
  ),
  stream(
    'two tool calls with one index',
    events(
      chunk({ tool_calls: [{ index: 0, id: 't1', function: { name: 'a', arguments: '' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] }),
      chunk({ tool_calls: [{ index: 0, id: 't2', function: { name: 'b', arguments: '' } }] }),
      chunk({ content: null, tool_calls: [] }, 'tool_calls'),
      usageChunk,
      '[DONE]',
    ),
    said({ finish: 'tool_calls', events: 3, isFinished: true }),
  ),
  stream(
    'arguments that are an object',
    events(
      chunk(
        {
          tool_calls: [
            { index: 0, id: 't', function: { name: 'a', arguments: { usage: { prompt_tokens: 99 } } } },
          ],
        },
        'tool_calls',
      ),
      usageChunk,
    ),
    said({ finish: 'tool_calls', events: 1, isFinished: true }),
  ),
  stream(
    'audio, refusal and older function calls',
    events(
      chunk({ audio: { id: 'au', transcript: 'a' } }),
      chunk({ refusal: 'no' }),
      chunk({ function_call: { name: 'f' } }),
      chunk({ audio: {}, refusal: '', function_call: {}, tool_calls: [], reasoning: null }, 'stop'),
      usageChunk,
    ),
    said({ events: 3, isFinished: true }),
  ),
  stream(
    'empty lists and objects with many spaces',
    events(ROLE, chunk({ content: 'a' })) +
      `data: {"choices":[{"index":0,"delta":{"tool_calls":[${' '.repeat(80)}],"audio":{${' '.repeat(80)}}},"finish_reason":"stop"}]}\n\n${events(usageChunk)}`,
    saidUsual,
  ),
  stream(
    'a list whose content is behind many spaces',
    `data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"tool_calls":[${' '.repeat(80)}1]},"finish_reason":"stop"}]}\n\n${events(usageChunk)}`,
    saidUsual,
    true,
  ),
];

const choice = (index: number, delta: object, finish: string | null): object => ({
  ...chunk({}),
  choices: [{ index, delta, finish_reason: finish }],
});

const CHOICES: readonly LlmBody[] = [
  stream(
    'three choices that end in any order',
    events(
      choice(2, { content: 'a' }, null),
      choice(0, { content: 'b' }, null),
      {
        ...chunk({}),
        choices: [
          { index: 1, delta: {}, finish_reason: 'length' },
          { index: 2, delta: {}, finish_reason: 'tool_calls' },
        ],
      },
      choice(0, {}, 'stop'),
      usageChunk,
    ),
    said({ events: 2, isFinished: true }),
  ),
  stream(
    'two choices of which only the second ends',
    events(choice(0, { content: 'a' }, null), choice(1, { content: 'b' }, 'length'), usageChunk),
    { model: 'm', id: 'c1', input: 7, output: 2, total: 9, events: 2 },
  ),
  stream(
    'an empty finish reason after the first one',
    events(chunk({ content: 'a' }, 'stop'), chunk({}, ''), usageChunk),
    said({ events: 1, isFinished: true }),
  ),
  plain(
    'two plain choices, the second before the first',
    {
      id: 'c1',
      model: 'm',
      choices: [
        { index: 1, finish_reason: 'length' },
        { index: 0, finish_reason: 'stop' },
      ],
      usage: counts,
    },
    said({ finish: 'length' }),
  ),
  plain(
    'plain choices without an index',
    {
      id: 'c1',
      model: 'm',
      choices: [{ finish_reason: 'stop' }, { finish_reason: 'length' }],
      usage: counts,
    },
    said(),
  ),
  stream(
    'a first chunk with an empty id and model',
    events(
      { choices: [], created: 0, id: '', model: '', object: 'chat.completion.chunk' },
      chunk({ content: 'a' }, 'stop'),
      usageChunk,
    ),
    saidUsual,
  ),
];

const usage = (json: string): string =>
  `{"id":"c1","model":"m","choices":[{"finish_reason":"stop"}],"usage":${json}}`;
const body = (name: string, json: string, facts?: SaidFacts, isUnassembled = false): LlmBody =>
  llmBody(name, JSON_TYPE, json, facts && { isFinished: true, ...facts }, { isUnassembled });
const saidNoUsage: SaidFacts = { model: 'm', id: 'c1', finish: 'stop' };

const VALUES: readonly LlmBody[] = [
  body(
    'names and texts with escapes',
    '{"\\u0069d":"c\\u0031","mod\\u0065l":"\\u006d","choices":[{"finish\\u005freason":"st\\u006fp"}],"us\\u0061ge":{"prompt\\u005ftokens":7,"completion_tokens":2}}',
    said(),
  ),
  body(
    'a model with characters of more than one byte',
    usage('{"prompt_tokens":7,"completion_tokens":2}').replace('"m"', '"模型 \\"😀\\ud83d\\ude00\\\\é"'),
    said({ model: '模型 "😀😀\\é' }),
  ),
  body('half a character in a model', usage('null').replace('"m"', '"a\\ud83d"'), {
    ...saidNoUsage,
    model: 'a\uFFFD',
  }),
  body(
    'names that have escapes of quotes',
    usage('{"a\\"b\\\\":1,"\\\\":2,"prompt_tokens":7,"completion_tokens":2}'),
    said(),
  ),
  body(
    'spaces everywhere',
    JSON.stringify(JSON.parse(usage(JSON.stringify(counts))), null, '\t').replaceAll(':', ' \r\n: '),
    said(),
  ),
  body('a byte order mark', `\uFEFF${usage(JSON.stringify(counts))}\n`, said()),
  body(
    'counts with fractions and exponents',
    usage('{"prompt_tokens":7.0,"completion_tokens":2e0,"total_tokens":0.9E+1}'),
    said(),
  ),
  body('a count in two notations', usage('{"prompt_tokens":700e-2,"completion_tokens":0.02e2}'), said()),
  body(
    'counts that are none',
    usage('{"prompt_tokens":-7,"completion_tokens":2.5,"total_tokens":"9"}'),
    saidNoUsage,
  ),
  body(
    'counts that are too large',
    usage(
      '{"prompt_tokens":9007199254740993,"completion_tokens":1e300,"total_tokens":123456789012345678901234567890}',
    ),
    saidNoUsage,
  ),
  body(
    'counts of other types',
    usage(
      '{"prompt_tokens":null,"completion_tokens":true,"total_tokens":{"prompt_tokens":1},"prompt_tokens_details":7}',
    ),
    saidNoUsage,
  ),
  body('the largest count', usage('{"prompt_tokens":9007199254740991,"total_tokens":0}'), {
    ...saidNoUsage,
    input: 9_007_199_254_740_991,
    total: 0,
  }),
  body('empty and missing usage', usage('{}'), saidNoUsage),
  body('usage that is a list', usage('[{"prompt_tokens":1}]'), saidNoUsage),
  body('usage that is a text', usage('"{\\"prompt_tokens\\":1}"'), saidNoUsage),
  body(
    'a total that is not the sum',
    usage('{"prompt_tokens":7,"completion_tokens":2,"total_tokens":99}'),
    said(),
  ),
  body('a total alone', usage('{"total_tokens":9}'), { ...saidNoUsage, total: 9 }),
  body('a count without a value', usage('{"prompt_tokens":,"completion_tokens":2}')),
  body('a count that is a word', usage('{"prompt_tokens":seven,"completion_tokens":2}')),
  body('a comma before an end', usage('{"prompt_tokens":7,}')),
  body(
    'deep nesting',
    usage(JSON.stringify(counts)).replace(
      '{',
      `{"deep":${'[{"usage":'.repeat(60)}{"prompt_tokens":1}${'}]'.repeat(60)},`,
    ),
    said(),
  ),
  body(
    'usage in a text and in a tool’s output',
    `{"tool":{"usage":{"prompt_tokens":1}},"output":[{"usage":{"completion_tokens":1},"content":"\\"usage\\":{\\"prompt_tokens\\":3}"}],${usage(JSON.stringify(counts)).slice(1)}`,
    said(),
  ),
  body('a plain error', '{"error":{"message":"no","type":"t"}}'),
];

const ERRORS: readonly LlmBody[] = [
  stream(
    'an error event with a text',
    `${events(chunk({ content: 'a' }))}event: error\ndata: out of memory\n\n`,
    {
      model: 'm',
      id: 'c1',
      events: 1,
      error: { message: 'out of memory', type: '' },
    },
  ),
  stream(
    'an error event of two lines',
    `${events(chunk({ content: 'a' }))}data: out\nevent:error\ndata: of 模\n\n`,
    {
      model: 'm',
      id: 'c1',
      events: 1,
      error: { message: 'out\nof 模', type: '' },
    },
  ),
  stream(
    'an error event without data',
    `${events(chunk({ content: 'a' }))}event: error\n\nevent: error\ndata\n\n`,
    {
      model: 'm',
      id: 'c1',
      events: 1,
      error: { message: '', type: '' },
    },
  ),
  stream(
    'events whose names are like error',
    `${events(chunk({ content: 'a' }))}event: errors\ndata: a\n\nevent: erro\ndata: a\n\nevent: error\nevent: x\ndata: {"message":"a"}\n\n`,
    {
      model: 'm',
      id: 'c1',
      events: 1,
    },
  ),
  stream('an error before a usual end', events({ error: { message: 'late', code: 7 } }) + usual, {
    ...said({ events: 1 }),
    error: { message: 'late', type: '7' },
  }),
  stream(
    'errors that are empty',
    events(
      { ...chunk({ content: 'a' }, 'stop'), error: null },
      { ...usageChunk, error: {}, code: 200 },
      { error: '' },
    ),
    saidUsual,
  ),
  stream(
    'a failed response without an error',
    events({ type: 'response.failed', response: { object: 'response', status: 'failed', error: null } }),
    {
      finish: 'failed',
      error: { message: '', type: 'response.failed' },
    },
  ),
  stream(
    'an error of OpenAI’s responses',
    `event: error\n${events({ type: 'error', code: 'E', message: 'bad', param: null })}`,
    {
      error: { message: 'bad', type: 'E' },
    },
    true,
  ),
  stream(
    'an error whose text is very long',
    events(chunk({ content: 'a' }), { error: { message: '"}'.repeat(2100), type: 'T' } }),
    {
      model: 'm',
      id: 'c1',
      events: 1,
      error: { message: '', type: '' },
    },
    true,
  ),
  stream(
    'an error text that is cut within a character',
    `event: error\ndata: a${'é'.repeat(600)}\n\n`,
    {
      error: { message: `a${'é'.repeat(511)}`, type: '' },
    },
    true,
  ),
];

const BROKEN: readonly LlmBody[] = [
  ['a string without an end', 'data: {"choices":[{"delta":{"content":"a\n\n'],
  ['a list without an end', 'data: {"choices":[{"delta":{"tool_calls":[{"a":[\n\n'],
  ['an object without an end', 'data: {"model":"x","usage":{"prompt_tokens":99\n\n'],
  ['a name without an end', 'data: {"choi\n\n'],
  ['an escape at the end of a line', 'data: {"logprobs":{"a":"\\\n\n'],
  ['brackets that do not fit', 'data: {"choices":[{"finish_reason":"length"}}],"model":"x"}\n\n'],
  ['two objects in a line', 'data: {"model":"x"}{"model":"y"}\n\n'],
  ['data that is not JSON', 'data: hello\n\ndata: [1,2]\n\ndata: "a"\n\ndata: {x}\n\ndata: null\n\n'],
].map(([name, text]) => stream(`a stream with ${name}`, around(text!), saidUsual));

export const ODD_BODIES: readonly LlmBody[] = [
  ...LINE_ENDS,
  ...CUTS,
  ...TOOLS,
  ...CHOICES,
  ...VALUES,
  ...ERRORS,
  ...BROKEN,
];
