// Assembles the chunks of OpenAI's chat and text completions: merges deltas by choice, and tool calls by index or id.
// Invariant: choices, calls and fields are limited in number; if one is dropped, `isComplete` is false.
import type { ResponseAssembler } from './assembler.ts';
import { isObject, listAt, indexAt, textAt, type JsonObject } from '../../../../protocol/llm/json-values.ts';
import { emptyFields, Merger, type MergedValue } from './merge-deltas.ts';
import { ToolCalls } from './tool-calls.ts';
import { usageIn } from './usage.ts';

/** Fields that every chunk repeats. */
const REPEATED: ReadonlySet<string> = new Set(['id', 'created', 'model']);

class Choice {
  finish: string | null = null;
  text = '';
  readonly #merger: Merger;
  readonly #message: MergedValue = emptyFields();
  readonly #others: MergedValue = emptyFields();
  readonly #calls: ToolCalls;

  constructor(merger: Merger) {
    this.#merger = merger;
    this.#calls = new ToolCalls(merger);
  }

  add({ index: _index, text, finish_reason: finish, delta, ...others }: JsonObject): void {
    if (typeof text === 'string') this.text += text;
    if (typeof finish === 'string') this.finish = finish || this.finish;
    if (isObject(delta)) this.#addDelta(delta);
    // logprobs, stop_reason, content_filter_results and other fields of servers.
    this.#merger.merge(this.#others, others, false);
  }

  result(isChat: boolean): JsonObject {
    return {
      ...this.#others,
      ...(isChat ? { message: this.#fullMessage() } : { text: this.text }),
      finish_reason: this.finish,
    };
  }

  #addDelta({ tool_calls: calls, ...fields }: JsonObject): void {
    if (Array.isArray(calls)) this.#calls.add(calls);
    else if (calls !== undefined && calls !== null) this.#merger.isExact = false;
    this.#merger.merge(this.#message, fields, true);
  }

  #fullMessage(): JsonObject {
    const calls = this.#calls.result();
    return {
      content: null,
      ...this.#message,
      role: textAt(this.#message, 'role') || 'assistant',
      ...(calls.length > 0 && { tool_calls: calls }),
    };
  }
}

export class OpenAiChunkAssembler implements ResponseAssembler {
  readonly #merger = new Merger();
  readonly #head: MergedValue = emptyFields();
  readonly #choices = new Map<number, Choice>();
  /** `undefined`: unknown so far. */
  #isChat: boolean | undefined;
  #usage: JsonObject | undefined;

  add(chunk: JsonObject): void {
    const { object, choices: _choices, usage: _usage, ...head } = chunk;
    if (object === 'text_completion') this.#isChat ??= false;
    else if (object === 'chat.completion.chunk') this.#isChat ??= true;
    for (const [name, value] of Object.entries(head)) this.#addHeadField(name, value);
    for (const fields of listAt(chunk, 'choices')) if (isObject(fields)) this.#addChoice(fields);
    // The last usage is valid, since some servers send one with every chunk.
    this.#usage = usageIn(chunk) ?? this.#usage;
  }

  get isExact(): boolean {
    return this.#merger.isExact;
  }

  /** For a stream without its last event, `[DONE]`: true if every choice has a finish reason. */
  get isWhole(): boolean {
    return this.#choices.size > 0 && [...this.#choices.values()].every(({ finish }) => finish !== null);
  }

  get isComplete(): boolean {
    return this.#merger.isComplete;
  }

  response(): JsonObject {
    const isChat = this.#isChat ?? true;
    const choices = [...this.#choices.entries()].sort(([a], [b]) => a - b);
    return {
      ...this.#head,
      object: isChat ? 'chat.completion' : 'text_completion',
      choices: choices.map(([index, choice]) => ({ index, ...choice.result(isChat) })),
      ...(this.#usage && { usage: this.#usage }),
    };
  }

  /** Keeps the first non-empty id, time and model, and the last value of other fields. */
  #addHeadField(name: string, value: unknown): void {
    // Gateways send a first chunk with empty id and model, and time 0.
    if (value === null || value === '' || value === 0) return;
    if (REPEATED.has(name)) this.#head[name] ??= value;
    else this.#head[name] = value;
  }

  #addChoice(fields: JsonObject): void {
    const index = indexAt(fields, 'index');
    if (index === undefined) {
      this.#merger.isComplete = false;
      return;
    }
    if (isObject(fields['delta'])) this.#isChat ??= true;
    else if (typeof fields['text'] === 'string') this.#isChat ??= false;
    let choice = this.#choices.get(index);
    if (choice === undefined) this.#choices.set(index, (choice = new Choice(this.#merger)));
    choice.add(fields);
  }
}
