// Assembles OpenAI's chunks, of chats and of plain completions: deltas are merged by choice, tool calls by their id.
// Invariant: choices, calls and fields are limited in number; if something is left out, `isComplete` is false.
import type { Assembler } from './streamed-body.ts';
import { isObject, listAt, indexAt, textAt, type JsonObject } from './json-values.ts';
import { emptyFields, Merger, type MergedValue } from './merge-deltas.ts';
import { ToolCalls } from './tool-calls.ts';
import { usageIn } from './usage.ts';

/** Fields that every chunk repeats. */
const FIRST: ReadonlySet<string> = new Set(['id', 'created', 'model']);

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
    if (isObject(delta)) this.#delta(delta);
    // logprobs, stop_reason, content_filter_results and other fields of servers.
    this.#merger.merge(this.#others, others, false);
  }

  result(isChat: boolean): JsonObject {
    return {
      ...this.#others,
      ...(isChat ? { message: this.#whole() } : { text: this.text }),
      finish_reason: this.finish,
    };
  }

  #delta({ tool_calls: calls, ...fields }: JsonObject): void {
    if (Array.isArray(calls)) this.#calls.add(calls);
    else if (calls !== undefined && calls !== null) this.#merger.isExact = false;
    this.#merger.merge(this.#message, fields, true);
  }

  #whole(): JsonObject {
    const calls = this.#calls.result();
    return {
      content: null,
      ...this.#message,
      role: textAt(this.#message, 'role') || 'assistant',
      ...(calls.length > 0 && { tool_calls: calls }),
    };
  }
}

export class OpenAiChunkAssembler implements Assembler {
  readonly #merger = new Merger();
  readonly #head: MergedValue = emptyFields();
  readonly #choices = new Map<number, Choice>();
  /** `undefined`: not known yet. */
  #isChat: boolean | undefined;
  #usage: JsonObject | undefined;

  add(chunk: JsonObject): void {
    const { object, choices: _choices, usage: _usage, ...head } = chunk;
    if (object === 'text_completion') this.#isChat ??= false;
    else if (object === 'chat.completion.chunk') this.#isChat ??= true;
    for (const [name, value] of Object.entries(head)) this.#headField(name, value);
    for (const fields of listAt(chunk, 'choices')) if (isObject(fields)) this.#choice(fields);
    // The last one counts: some servers send it with every chunk.
    this.#usage = usageIn(chunk) ?? this.#usage;
  }

  get isExact(): boolean {
    return this.#merger.isExact;
  }

  /** `[DONE]` is the last event of these streams. If it is missing, every choice must have ended. */
  get isWhole(): boolean {
    return this.#choices.size > 0 && [...this.#choices.values()].every(({ finish }) => finish !== null);
  }

  get isComplete(): boolean {
    return this.#merger.isComplete;
  }

  answer(): JsonObject {
    const isChat = this.#isChat ?? true;
    const choices = [...this.#choices.entries()].sort(([a], [b]) => a - b);
    return {
      ...this.#head,
      object: isChat ? 'chat.completion' : 'text_completion',
      choices: choices.map(([index, choice]) => ({ index, ...choice.result(isChat) })),
      ...(this.#usage && { usage: this.#usage }),
    };
  }

  /** Of id, time and model the first one that is not empty counts; of other fields the last one. */
  #headField(name: string, value: unknown): void {
    // Gateways send a first chunk with an empty id and model, and the time 0.
    if (value === null || value === '' || value === 0) return;
    if (FIRST.has(name)) this.#head[name] ??= value;
    else this.#head[name] = value;
  }

  #choice(fields: JsonObject): void {
    const place = indexAt(fields, 'index');
    if (place === undefined) {
      this.#merger.isComplete = false;
      return;
    }
    if (isObject(fields['delta'])) this.#isChat ??= true;
    else if (typeof fields['text'] === 'string') this.#isChat ??= false;
    let choice = this.#choices.get(place);
    if (choice === undefined) this.#choices.set(place, (choice = new Choice(this.#merger)));
    choice.add(fields);
  }
}
