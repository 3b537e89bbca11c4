// Assembles a streamed message of Anthropic's API: joins the deltas of each block, and keeps the latest usage.
import type { ResponseAssembler } from './assembler.ts';
import {
  listAt,
  objectAt,
  parseObject,
  indexAt,
  textAt,
  type JsonObject,
} from '../../../../protocol/llm/json-values.ts';

/** For each kind of delta: the field with its text, and the field of the block that the text extends. */
const DELTAS: Readonly<Record<string, readonly [from: string, to: string]>> = {
  text_delta: ['text', 'text'],
  thinking_delta: ['thinking', 'thinking'],
  signature_delta: ['signature', 'signature'],
  input_json_delta: ['partial_json', 'input'],
};

interface Block {
  readonly start: JsonObject;
  readonly texts: Map<string, string>;
  readonly citations: unknown[];
}

export class AnthropicAssembler implements ResponseAssembler {
  isWhole = false;
  isComplete = true;
  isExact = true;
  #message: JsonObject = {};
  #end: JsonObject = {};
  #usage: JsonObject | undefined;
  readonly #blocks = new Map<number, Block>();

  add(event: JsonObject): void {
    const type = textAt(event, 'type');
    if (type === 'message_start') {
      this.#message = objectAt(event, 'message') ?? this.#message;
      // Its output is not the one that the message will have.
      const { output_tokens: _begun, ...usage } = objectAt(this.#message, 'usage') ?? {};
      this.#usage = Object.keys(usage).length > 0 ? usage : undefined;
    } else if (type === 'content_block_start') this.#begin(event);
    else if (type === 'content_block_delta') this.#extend(event);
    else if (type === 'message_delta') {
      this.#end = objectAt(event, 'delta') ?? this.#end;
      // The event contains only the counts that changed.
      this.#usage = { ...this.#usage, ...objectAt(event, 'usage') };
    } else if (type === 'message_stop') this.isWhole = true;
  }

  response(): JsonObject {
    const blocks = [...this.#blocks.entries()].sort(([a], [b]) => a - b);
    return {
      ...this.#message,
      ...this.#end,
      content: blocks.map(([, block]) => fullBlock(block)),
      ...(this.#usage && { usage: this.#usage }),
    };
  }

  #begin(event: JsonObject): void {
    const index = indexAt(event, 'index');
    const start = objectAt(event, 'content_block');
    if (index === undefined || !start) {
      this.isComplete = false;
      return;
    }
    if (this.#blocks.has(index)) this.isExact = false;
    this.#blocks.set(index, { start, texts: new Map(), citations: [] });
  }

  #extend(event: JsonObject): void {
    const index = indexAt(event, 'index');
    const block = index === undefined ? undefined : this.#blocks.get(index);
    const delta = objectAt(event, 'delta');
    const kind = textAt(delta, 'type');
    if (block === undefined) {
      this.isComplete = false;
      return;
    }
    if (kind === 'citations_delta') {
      block.citations.push(delta?.['citation']);
      return;
    }
    if (!Object.hasOwn(DELTAS, kind)) {
      // It is not certain where the values of an unknown delta belong.
      this.isExact = false;
      return;
    }
    const [from, to] = DELTAS[kind]!;
    block.texts.set(to, (block.texts.get(to) ?? '') + textAt(delta, from));
  }
}

/** The block with its deltas added. The input of a tool is JSON text, sent in pieces. */
function fullBlock({ start, texts, citations }: Block): JsonObject {
  const added = Array.from(texts, ([name, text]): [string, unknown] =>
    name === 'input'
      ? // A tool without arguments has one empty piece.
        [name, text === '' ? start['input'] : (parseObject(text) ?? text)]
      : [name, textAt(start, name) + text],
  );
  return {
    ...start,
    ...Object.fromEntries(added),
    ...(citations.length > 0 && { citations: [...listAt(start, 'citations'), ...citations] }),
  };
}
