// A streamed answer of Ollama's API (/api/chat and /api/generate): one JSON object a line, the last one with `done: true`.
import type { Assembler } from './streamed-body.ts';
import type { JsonObject } from './json-values.ts';
import { emptyFields, Merger, type MergedValue } from './merge-deltas.ts';

/** Fields whose objects and texts are merged line by line; of other fields the last value counts. */
const CONTINUED: ReadonlySet<string> = new Set(['message', 'response', 'thinking']);

export class OllamaAssembler implements Assembler {
  isWhole = false;
  readonly #merger = new Merger();
  readonly #answer: MergedValue = emptyFields();

  add(line: JsonObject): void {
    for (const [name, value] of Object.entries(line))
      if (CONTINUED.has(name)) this.#merger.merge(this.#answer, { [name]: value }, true);
      else if (value !== null) this.#answer[name] = value;
    if (line['done'] === true) this.isWhole = true;
  }

  get isComplete(): boolean {
    return this.#merger.isComplete;
  }

  get isExact(): boolean {
    return this.#merger.isExact;
  }

  answer(): JsonObject {
    return this.#answer;
  }
}
