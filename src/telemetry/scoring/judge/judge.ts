// A judge: asks a language model which of a few choices fits a span.
// Invariant: a call makes at most MAX_ATTEMPTS requests, one of which the server accepts; no text that it returns holds
// the secret of its header.
import { leadsToPort, scrubValues } from '../../../core/receiver.ts';
import { version } from '../../../core/version.ts';
import { Transport } from '../../../protocol/http/transport.ts';
import type { TokenPrice } from '../../../core/exchange/llm-facts.ts';
import type { JudgeScorer } from '../scorer-definition.ts';
import { SCORER_MARK } from '../scorer-mark.ts';
import type { ScorerCost, Scorer, ScorerInput, ScorerResult } from '../scorer.ts';
import { choiceInstruction, readChoice } from './judge-choice.ts';
import { readPrompt, type JudgePrompt } from './judge-prompt.ts';
import { judgeCost, readReply, type JudgeFailure, type JudgeReply } from './judge-response.ts';
import { completionsUrl } from './judge-url.ts';

const MAX_RESPONSE_BYTES = 256 * 1024;
/** One with all parameters, and one for each parameter that a server may refuse. */
const MAX_ATTEMPTS = 3;
const MAX_RATIONALE = 4000;
const MAX_SHOWN = 100;

export interface JudgeDeps {
  /** Ports of this machine that a judge must not be called on: those of weir's admin server. */
  readonly forbiddenPorts: readonly number[];
  /** The price of a model now; `undefined`: none is known. */
  readonly priceOf: (model: string) => TokenPrice | undefined;
}

export class Judge implements Scorer {
  readonly name: string;
  readonly #judge: JudgeScorer;
  readonly #deps: JudgeDeps;
  readonly #prompt: JudgePrompt;
  readonly #choices: readonly string[];
  readonly #transport: Transport;
  readonly #headers: Readonly<Record<string, string>>;
  /** Some models take only one of them, and only their own temperature. Learned from their refusals. */
  #limitName: 'max_tokens' | 'max_completion_tokens' = 'max_tokens';
  #hasTemperature = true;

  /** `judge`: as the parser returned it. Throws for a prompt that the parser refuses. */
  constructor(judge: JudgeScorer, deps: JudgeDeps) {
    this.name = judge.name;
    this.#judge = judge;
    this.#deps = deps;
    const prompt = readPrompt(judge.prompt);
    if ('problems' in prompt) throw new Error(prompt.problems.join('; '));
    this.#prompt = prompt;
    this.#choices = Object.keys(judge.choices);
    this.#transport = new Transport(completionsUrl(judge.url), judge.timeout_ms, MAX_RESPONSE_BYTES);
    this.#headers = {
      'User-Agent': `weir/${version}`,
      'Content-Type': 'application/json',
      Accept: 'application/json',
      // A judge may be behind weir: its requests are recorded with this mark, and not scored.
      'x-portkey-metadata': JSON.stringify(SCORER_MARK),
      ...(judge.header_name !== '' && { [judge.header_name]: judge.header_value }),
    };
  }

  async score(span: ScorerInput, signal: AbortSignal): Promise<ScorerResult> {
    if (leadsToPort(this.#judge.url, this.#deps.forbiddenPorts))
      return failed('the URL of the judge leads to the admin server of weir', false);
    const prompt = this.#prompt.fill(span);
    if ('reason' in prompt)
      return {
        kind: 'scored',
        scores: [{ name: this.name, score: null, metadata: { reason: prompt.reason } }],
      };
    const reply = await this.#ask(prompt.text, signal);
    if (signal.aborted) return failed('it was stopped', true);
    if (!('failed' in reply)) return this.#resultOf(reply);
    return { ...reply.failed, reason: this.#scrubbed(reply.failed.reason) };
  }

  async close(): Promise<void> {
    this.#transport.close();
  }

  async #ask(prompt: string, signal: AbortSignal): Promise<JudgeReply | JudgeFailure> {
    for (let attempt = 1; ; attempt++) {
      const body = Buffer.from(JSON.stringify(this.#bodyOf(prompt)));
      const response = await this.#transport.post(this.#headers, body, signal);
      const reply = readReply(response, this.#judge.model, MAX_RESPONSE_BYTES);
      const isFinal = !('failed' in reply) || reply.status !== 400 || attempt === MAX_ATTEMPTS;
      if (isFinal || !this.#learnFrom(reply.failed.reason)) return reply;
    }
  }

  #bodyOf(prompt: string): object {
    const { model, use_cot: explains, max_tokens: limit } = this.#judge;
    const content = `${prompt}\n\n${choiceInstruction(this.#choices, explains)}`;
    return {
      model,
      messages: [{ role: 'user', content }],
      ...(this.#hasTemperature && { temperature: 0 }),
      [this.#limitName]: limit,
      stream: false,
    };
  }

  /** Leaves out what a server refused. Returns false if it is nothing that can be left out. */
  #learnFrom(refusal: string): boolean {
    if (this.#limitName === 'max_tokens' && /max_tokens/.test(refusal)) {
      this.#limitName = 'max_completion_tokens';
      return true;
    }
    if (!this.#hasTemperature || !/temperature/.test(refusal)) return false;
    this.#hasTemperature = false;
    return true;
  }

  #resultOf({ text, isCut, usage }: JudgeReply): ScorerResult {
    const { name, choices, model } = this.#judge;
    const price = this.#deps.priceOf(model) ?? this.#deps.priceOf(usage.responseModel);
    const cost = judgeCost(usage, price);
    const answer = readChoice(text, this.#choices);
    if (answer === undefined) return failed(this.#whyUnclear(text, isCut), false, cost);
    const { choice } = answer;
    const rationale = this.#scrubbed(answer.rationale).slice(0, MAX_RATIONALE);
    const metadata = { choice, model, ...(rationale !== '' && { rationale }) };
    return { kind: 'scored', scores: [{ name, score: choices[choice]!, metadata }], cost };
  }

  #whyUnclear(text: string, isCut: boolean): string {
    const choices = this.#choices.map((choice) => JSON.stringify(choice)).join(', ');
    if (isCut) return `the judge used all of its ${this.#judge.max_tokens} tokens before it named a choice`;
    const last = text.trimEnd().split('\n').at(-1)!.slice(0, MAX_SHOWN);
    return this.#scrubbed(`the judge answered ${JSON.stringify(last)}, which is none of ${choices}`);
  }

  #scrubbed(text: string): string {
    return scrubValues(text, [this.#judge.header_value]);
  }
}

const failed = (reason: string, isTemporary: boolean, cost?: ScorerCost): ScorerResult => ({
  kind: 'failed',
  reason,
  isTemporary,
  ...(cost && { cost }),
});
