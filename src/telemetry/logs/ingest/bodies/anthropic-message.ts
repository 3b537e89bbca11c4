// A streamed message of Anthropic's API, put together: blocks by their place, deltas joined, usage as last said.
import type { Assembler } from './streamed-body.ts';
import { listAt, objectAt, parseObject, indexAt, textAt, type JsonObject } from './json-values.ts';

/** Kind of a delta → where its text is, and the field of the block that it makes longer. */
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

export class AnthropicAssembler implements Assembler {
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
      this.#usage = objectAt(this.#message, 'usage');
    } else if (type === 'content_block_start') this.#begin(event);
    else if (type === 'content_block_delta') this.#extend(event);
    else if (type === 'message_delta') {
      this.#end = objectAt(event, 'delta') ?? this.#end;
      // Only what has changed is said again.
      this.#usage = { ...this.#usage, ...objectAt(event, 'usage') };
    } else if (type === 'message_stop') this.isWhole = true;
  }

  answer(): JsonObject {
    const blocks = [...this.#blocks.entries()].sort(([a], [b]) => a - b);
    return {
      ...this.#message,
      ...this.#end,
      content: blocks.map(([, block]) => whole(block)),
      ...(this.#usage && { usage: this.#usage }),
    };
  }

  #begin(event: JsonObject): void {
    const place = indexAt(event, 'index');
    const start = objectAt(event, 'content_block');
    if (place === undefined || !start) {
      this.isComplete = false;
      return;
    }
    if (this.#blocks.has(place)) this.isExact = false;
    this.#blocks.set(place, { start, texts: new Map(), citations: [] });
  }

  #extend(event: JsonObject): void {
    const place = indexAt(event, 'index');
    const block = place === undefined ? undefined : this.#blocks.get(place);
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
      // A delta of unknown kind: it is not certain where its values belong.
      this.isExact = false;
      return;
    }
    const [from, to] = DELTAS[kind]!;
    block.texts.set(to, (block.texts.get(to) ?? '') + textAt(delta, from));
  }
}

/** A block with what was added to it; the input of a tool is JSON that came in pieces. */
function whole({ start, texts, citations }: Block): JsonObject {
  const added = Array.from(texts, ([name, text]): [string, unknown] =>
    name === 'input'
      ? // A tool without arguments gets one empty piece.
        [name, text === '' ? start['input'] : (parseObject(text) ?? text)]
      : [name, textAt(start, name) + text],
  );
  return {
    ...start,
    ...Object.fromEntries(added),
    ...(citations.length > 0 && { citations: [...listAt(start, 'citations'), ...citations] }),
  };
}
