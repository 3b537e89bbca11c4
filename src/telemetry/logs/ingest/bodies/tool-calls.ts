// Assembles the tool calls of a streamed chat from their pieces.
// A piece belongs to the call with its index (OpenAI's rule). Some servers send no index, or one index for all calls:
// then a new id begins a new call, and a piece with the same id, or without one, continues the call.
// Invariant: `isExact` is false if a piece may belong to another call, `isComplete` if there are too many calls.
import {
  countAt,
  isObject,
  MAX_LIST_ENTRIES,
  parseObject,
  textAt,
  type JsonObject,
} from '../../../../protocol/llm/json-values.ts';
import { emptyFields, type MergedValue, type Merger } from './merge-deltas.ts';

interface Call {
  readonly index: number | undefined;
  id: string;
  name: string;
  /** True if more than one piece had a name. */
  hasSecondName: boolean;
  readonly fields: MergedValue;
}

export class ToolCalls {
  readonly #merger: Merger;
  readonly #calls: Call[] = [];
  /** Latest call of each index. */
  readonly #latestAt = new Map<number, Call>();
  #last: Call | undefined;

  constructor(merger: Merger) {
    this.#merger = merger;
  }

  /** Adds the pieces of one delta (`tool_calls`). */
  add(pieces: readonly unknown[]): void {
    const used = new Set<Call>();
    for (const piece of pieces) {
      if (!isObject(piece)) continue;
      const call = this.#callOf(piece, used);
      if (call === undefined) continue;
      used.add(call);
      this.#last = call;
      this.#extend(call, piece);
    }
  }

  /** The calls, sorted by index if each has its own, else in the order in which they began. */
  result(): JsonObject[] {
    const indexes = new Set(this.#calls.map(({ index }) => index));
    const isIndexed = indexes.size === this.#calls.length && !indexes.has(undefined);
    const calls = isIndexed ? this.#calls.toSorted((a, b) => a.index! - b.index!) : this.#calls;
    return calls.map((call) => this.#toJson(call));
  }

  #callOf(piece: JsonObject, used: ReadonlySet<Call>): Call | undefined {
    const index = countAt(piece, 'index');
    const id = textAt(piece, 'id');
    const name = nameOf(piece);
    if (id !== '') {
      const known = this.#calls.findLast(
        (call) => call.id === id && (index === undefined || call.index === index),
      );
      if (known) return known;
    }
    const latest = index === undefined ? this.#last : this.#latestAt.get(index);
    if (latest === undefined) return this.#begin(index, id);
    // Another id means another call. A call without an id may get its id in a later piece.
    if (id !== '' && (latest.id !== '' || (name !== '' && latest.name !== ''))) return this.#begin(index, id);
    // Without an index, two pieces of one delta are two calls.
    if (index === undefined && used.has(latest))
      return name === '' ? this.#uncertain() : this.#begin(index, id);
    // Another name without an id is a new call or the rest of the name.
    return name !== '' && latest.name !== '' && name !== latest.name ? this.#uncertain() : latest;
  }

  #uncertain(): undefined {
    this.#merger.isExact = false;
  }

  #begin(index: number | undefined, id: string): Call | undefined {
    if (this.#calls.length >= MAX_LIST_ENTRIES || (index ?? 0) >= MAX_LIST_ENTRIES) {
      this.#merger.isComplete = false;
      return undefined;
    }
    const call = { index, id, name: '', hasSecondName: false, fields: emptyFields() };
    this.#calls.push(call);
    if (index !== undefined) this.#latestAt.set(index, call);
    return call;
  }

  #extend(call: Call, piece: JsonObject): void {
    const { index: _index, ...fields } = piece;
    const name = nameOf(piece);
    call.id ||= textAt(piece, 'id');
    call.hasSecondName ||= name !== '' && call.name !== '';
    call.name ||= name;
    this.#merger.merge(call.fields, fields, true);
  }

  #toJson({ id, name, hasSecondName, fields }: Call): JsonObject {
    const { function: called, ...others } = fields as { function?: JsonObject };
    const text = called?.['arguments'] ?? '';
    // Two complete argument texts may be two calls of one tool, which cannot be separated.
    if (hasSecondName && (typeof text !== 'string' || (text !== '' && !parseObject(text))))
      this.#merger.isExact = false;
    const isFunction = called !== undefined || Object.keys(others).every((key) => ENVELOPE.has(key));
    return {
      ...others,
      id,
      type: textAt(fields, 'type') || 'function',
      ...(isFunction && { function: { ...called, name, arguments: text } }),
    };
  }
}

const ENVELOPE: ReadonlySet<string> = new Set(['id', 'type']);

/** The name of the function or the custom tool (`custom`). */
function nameOf(piece: JsonObject): string {
  const called = piece['function'] ?? piece['custom'];
  return isObject(called) ? textAt(called, 'name') : '';
}
