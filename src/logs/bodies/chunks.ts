// OpenAI's chunks, of chats and of plain completions, put together: deltas joined by choice, tool calls by place.
// Must stay true: no stream makes more choices, calls or fields than are allowed here.
import type { Assembly } from './assemble.ts';
import { isObject, listAt, objectAt, placeAt, textAt, type Fields } from './json.ts';

/** Fields of a delta that are texts: content, refusal, reasoning_content and what else servers have. */
const MAX_FIELDS = 16;
const HEAD = ['id', 'created', 'model', 'system_fingerprint', 'service_tier'];

interface Call {
  id: string;
  type: string;
  name: string;
  arguments: string;
}

class Choice {
  role = '';
  finish: string | null = null;
  text = '';
  readonly #texts = new Map<string, string>();
  readonly #calls = new Map<number, Call>();
  #call: Call | undefined;

  delta(delta: Fields): void {
    this.role ||= textAt(delta, 'role');
    for (const [name, value] of Object.entries(delta)) {
      if (name === 'role' || typeof value !== 'string') continue;
      if (this.#texts.has(name) || this.#texts.size < MAX_FIELDS)
        this.#texts.set(name, (this.#texts.get(name) ?? '') + value);
    }
    for (const call of listAt(delta, 'tool_calls')) if (isObject(call)) this.#toolCall(call);
    const called = objectAt(delta, 'function_call');
    if (called) extend((this.#call ??= emptyCall()), called);
  }

  message(): Fields {
    const calls = [...this.#calls.entries()].sort(([a], [b]) => a - b);
    const named = ({ name, arguments: text }: Call) => ({ name, arguments: text });
    return {
      role: this.role || 'assistant',
      content: null,
      ...Object.fromEntries(this.#texts),
      ...(calls.length > 0 && {
        tool_calls: calls.map(([, call]) => ({
          id: call.id,
          type: call.type || 'function',
          function: named(call),
        })),
      }),
      ...(this.#call && { function_call: named(this.#call) }),
    };
  }

  #toolCall(fields: Fields): void {
    const place = placeAt(fields, 'index');
    if (place === undefined) return;
    let call = this.#calls.get(place);
    if (call === undefined) this.#calls.set(place, (call = emptyCall()));
    call.id ||= textAt(fields, 'id');
    call.type ||= textAt(fields, 'type');
    const called = objectAt(fields, 'function');
    if (called) extend(call, called);
  }
}

const emptyCall = (): Call => ({ id: '', type: '', name: '', arguments: '' });

function extend(call: Call, called: Fields): void {
  call.name ||= textAt(called, 'name');
  call.arguments += textAt(called, 'arguments');
}

export class ChunkedAnswer implements Assembly {
  readonly #object: 'chat.completion' | 'text_completion';
  readonly #head = new Map<string, unknown>();
  readonly #choices = new Map<number, Choice>();
  #usage: Fields | undefined;

  constructor(object: 'chat.completion' | 'text_completion') {
    this.#object = object;
  }

  add(chunk: Fields): void {
    for (const name of HEAD) {
      const value = chunk[name];
      if (!this.#head.has(name) && (typeof value === 'string' || typeof value === 'number'))
        this.#head.set(name, value);
    }
    // The last one counts: some servers say it as they go.
    this.#usage = objectAt(chunk, 'usage') ?? this.#usage;
    for (const fields of listAt(chunk, 'choices')) {
      const place = isObject(fields) ? placeAt(fields, 'index') : undefined;
      if (place === undefined || !isObject(fields)) continue;
      let choice = this.#choices.get(place);
      if (choice === undefined) this.#choices.set(place, (choice = new Choice()));
      choice.text += textAt(fields, 'text');
      choice.finish = textAt(fields, 'finish_reason') || choice.finish;
      const delta = objectAt(fields, 'delta');
      if (delta) choice.delta(delta);
    }
  }

  /** `[DONE]` is the last word of these streams; one who leaves it out has at least ended every choice. */
  get isWhole(): boolean {
    return this.#choices.size > 0 && [...this.#choices.values()].every(({ finish }) => finish !== null);
  }

  answer(): Fields {
    const choices = [...this.#choices.entries()].sort(([a], [b]) => a - b);
    return {
      ...Object.fromEntries(this.#head),
      object: this.#object,
      choices: choices.map(([index, choice]) => ({
        index,
        ...(this.#object === 'chat.completion' ? { message: choice.message() } : { text: choice.text }),
        finish_reason: choice.finish,
      })),
      ...(this.#usage && { usage: this.#usage }),
    };
  }
}
