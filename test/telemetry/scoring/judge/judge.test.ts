// A judge against a server that speaks OpenAI's API: what it sends, what it reads, and what it does when the server fails.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { TokenPrice } from '../../../../src/core/exchange/llm-facts.ts';
import { Judge } from '../../../../src/telemetry/scoring/judge/judge.ts';
import { parseStoredScorer, type JudgeScorer } from '../../../../src/telemetry/scoring/scorer-definition.ts';
import type { ScorerInput, ScorerResult } from '../../../../src/telemetry/scoring/scorer.ts';

interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}
interface Reply {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}
/** `undefined`: never answers. */
type Behaviour = (asked: Asked, number: number) => Reply | undefined;

const servers: Server[] = [];
const judges: Judge[] = [];
afterEach(async () => {
  await Promise.all(judges.splice(0).map((judge) => judge.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function startServer(behave: Behaviour): Promise<{ url: string; port: number; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      asked.push({ path: request.url!, headers: request.headers, body });
      const reply = behave(asked.at(-1)!, asked.length);
      if (reply === undefined) return;
      const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {});
      response.writeHead(reply.status ?? 200, reply.headers).end(text);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, asked };
}

const completion = (content: unknown, more: object = {}): Reply => ({
  body: {
    model: 'judge-2026',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1000, completion_tokens: 100 },
    ...more,
  },
});

const PRICE: TokenPrice = { input: 2, cached: 2, output: 10, reasoning: 10, currency: 'USD' };

function judge(url: string, more: object = {}, forbiddenPorts: readonly number[] = []): Judge {
  const settings = {
    kind: 'judge',
    name: 'helpful',
    url,
    model: 'judge',
    prompt: 'Question: {{input}}\nAnswer: {{output}}\nIs it helpful?',
    choices: { yes: 1, partly: 0.5, no: 0, 'cannot say': null },
    timeout_ms: 2000,
    ...more,
  };
  const parsed = parseStoredScorer(settings);
  if ('problems' in parsed) throw new Error(parsed.problems.join('; '));
  const priceOf = (model: string): TokenPrice | undefined => (model === 'judge' ? PRICE : undefined);
  const made = new Judge(parsed as JudgeScorer, { forbiddenPorts, priceOf });
  judges.push(made);
  return made;
}
const never = new AbortController().signal;
const SPAN: ScorerInput = { input: 'What is 1+1?', output: 'It is 2.' };
const score = (one: Judge, span = SPAN): Promise<ScorerResult> => one.score(span, never);

describe('a judge', () => {
  it('asks with its prompt and choices, and scores the choice', async () => {
    const server = await startServer(() => completion('The answer is right.\nIt is short.\n**partly**'));
    expect(await score(judge(server.url))).toEqual({
      kind: 'scored',
      scores: [
        {
          name: 'helpful',
          score: 0.5,
          metadata: { choice: 'partly', model: 'judge', rationale: 'The answer is right.\nIt is short.' },
        },
      ],
      cost: { inputTokens: 1000, outputTokens: 100, amount: 0.003, currency: 'USD' },
    });
    const [asked] = server.asked;
    expect(asked!.path).toBe('/v1/chat/completions');
    expect(asked!.headers).toMatchObject({
      'content-type': 'application/json',
      'x-portkey-metadata': '{"weir_purpose":"scorer"}',
    });
    expect(asked!.body).toEqual({
      model: 'judge',
      messages: [
        {
          role: 'user',
          content:
            'Question: What is 1+1?\nAnswer: It is 2.\nIs it helpful?\n\nFirst explain your reasoning in a few sentences. Then write one of these choices alone on the last line: "yes", "partly", "no", "cannot say".',
        },
      ],
      temperature: 0,
      max_tokens: 1024,
      stream: false,
    });
  });

  it.each([
    ['http://host', '/v1/chat/completions'],
    ['http://host/', '/v1/chat/completions'],
    ['http://host/v1', '/v1/chat/completions'],
    ['http://host/openai/v1/', '/openai/v1/chat/completions'],
    ['http://host/v1/chat/completions?version=2', '/v1/chat/completions?version=2'],
  ])('calls the chat completions of %s', async (text, path) => {
    const server = await startServer(() => completion('yes'));
    await score(judge(text.replace('http://host', server.url)));
    expect(server.asked[0]!.path).toBe(path);
  });

  it('sends its header, and never shows its value', async () => {
    const secret = 'Bearer sk-secret-123';
    const header = { header_name: 'Authorization', header_value: secret };
    const refusing = await startServer(({ headers }) => ({
      status: 401,
      body: { error: { message: `Incorrect key: ${headers.authorization}` } },
    }));
    const result = await score(judge(refusing.url, header));
    expect(refusing.asked[0]!.headers.authorization).toBe(secret);
    expect(result).toEqual({
      kind: 'failed',
      reason: 'the judge answered 401: Incorrect key: ***',
      isTemporary: false,
    });
    const repeating = await startServer(() => completion(`Your key is sk-secret-123.\nyes`));
    expect(JSON.stringify(await score(judge(repeating.url, header)))).not.toContain('secret');
    const confused = await startServer(() => completion('sk-secret-123'));
    expect(JSON.stringify(await score(judge(confused.url, header)))).not.toContain('secret');
  });

  it('has no score if the choice is null, and if the span lacks what the prompt needs', async () => {
    const server = await startServer(() => completion('cannot say'));
    expect(await score(judge(server.url))).toMatchObject({
      scores: [{ score: null, metadata: { choice: 'cannot say' } }],
    });
    expect(await score(judge(server.url), { input: 'x' })).toEqual({
      kind: 'scored',
      scores: [{ name: 'helpful', score: null, metadata: { reason: 'the span has no output' } }],
    });
    expect(server.asked).toHaveLength(1);
  });

  it('does without parameters that a model refuses, also in later calls', async () => {
    const server = await startServer(({ body }) => {
      const refused = ['max_tokens', 'temperature'].find((name) => name in body);
      if (refused === undefined) return completion('yes');
      return {
        status: 400,
        body: { error: { message: `Unsupported parameter: '${refused}' is not supported` } },
      };
    });
    const one = judge(server.url);
    expect(await score(one)).toMatchObject({ kind: 'scored', scores: [{ score: 1 }] });
    expect(server.asked).toHaveLength(3);
    expect(server.asked[2]!.body).toMatchObject({ max_completion_tokens: 1024 });
    await score(one);
    expect(server.asked).toHaveLength(4);
  });

  it('has no cost without a price or without a count of tokens', async () => {
    const server = await startServer((_, number) => completion('yes', number === 1 ? {} : { usage: null }));
    const unknown = {
      inputTokens: undefined,
      outputTokens: undefined,
      amount: undefined,
      currency: undefined,
    };
    const other = judge(server.url, { model: 'other' });
    expect(await score(other)).toMatchObject({ cost: { ...unknown, inputTokens: 1000, outputTokens: 100 } });
    expect(await score(judge(server.url))).toMatchObject({ cost: unknown });
  });
});

describe('a judge that fails', () => {
  it.each<[string, Reply, RegExp, boolean]>([
    ['429', { status: 429, headers: { 'Retry-After': '7' } }, /^the judge answered 429: \{\}$/, true],
    ['500', { status: 500, body: 'oh\nno' }, /^the judge answered 500: oh no$/, true],
    [
      '400',
      { status: 400, body: { error: { message: 'context too long' } } },
      /^the judge answered 400: context too long$/,
      false,
    ],
    [
      'a redirect',
      { status: 302, headers: { Location: '/other' } },
      /^the judge answered 302 \(redirects are not followed\)/,
      false,
    ],
    ['no JSON', { body: '<html>' }, /^the response of the judge is not a chat completion$/, false],
    [
      'something else',
      { body: { choices: [5] } },
      /^the response of the judge is not a chat completion$/,
      false,
    ],
    [
      'too much',
      { body: 'x'.repeat(300_000) },
      /^the response of the judge has more than 262144 bytes$/,
      false,
    ],
    [
      'no choice',
      completion('I like it.'),
      /^the judge answered "I like it\.", which is none of "yes", "partly", "no", "cannot say"$/,
      false,
    ],
    ['two choices', completion('yes or no'), /^the judge answered "yes or no", which is none of/, false],
    ['nothing', completion(null), /^the judge answered "", which is none of/, false],
    [
      'half',
      completion('Let me', { choices: [{ message: { content: 'Let me' }, finish_reason: 'length' }] }),
      /^the judge used all of its 1024 tokens before it named a choice$/,
      false,
    ],
  ])('with %s says why', async (_, reply, reason, isTemporary) => {
    const server = await startServer(() => reply);
    const result = await score(judge(server.url));
    if (result.kind !== 'failed') throw new Error('scored');
    expect(result.reason).toMatch(reason);
    expect(result.isTemporary).toBe(isTemporary);
    expect(result.retryAfterMs).toBe(reply.status === 429 ? 7000 : undefined);
    // What was answered was paid for.
    expect(result.cost?.inputTokens).toBe(/none of|tokens/.test(reason.source) ? 1000 : undefined);
  });

  it('may be tried again if it hangs, or cannot be reached', async () => {
    const hanging = await startServer(() => undefined);
    expect(await score(judge(hanging.url, { timeout_ms: 100 }))).toEqual({
      kind: 'failed',
      reason: 'the judge did not answer: no response within 100 ms',
      isTemporary: true,
    });
    const gone = await startServer(() => undefined);
    servers.pop()!.close();
    expect(await score(judge(gone.url))).toMatchObject({
      isTemporary: true,
      reason: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('ends when it is stopped', async () => {
    const server = await startServer(() => undefined);
    const result = judge(server.url).score(SPAN, AbortSignal.timeout(100));
    expect(await result).toEqual({ kind: 'failed', reason: 'it was stopped', isTemporary: true });
  });

  it('is not called if it is the admin server of weir', async () => {
    const server = await startServer(() => completion('yes'));
    expect(await score(judge(server.url, {}, [server.port]))).toEqual({
      kind: 'failed',
      reason: 'the URL of the judge leads to the admin server of weir',
      isTemporary: false,
    });
    expect(server.asked).toEqual([]);
  });
});
