// Assembles a streamed response of Ollama (/api/chat, /api/generate): one JSON object per line, the last with `done`.
import type { ResponseAssembler } from './assembler.ts';
import type { JsonObject } from '../../../../protocol/llm/json-values.ts';
import { emptyFields, Merger, type MergedValue } from './merge-deltas.ts';

/** Fields whose values are merged line by line. Of other fields the last value is kept. */
const MERGED: ReadonlySet<string> = new Set(['message', 'response', 'thinking']);

export class OllamaAssembler implements ResponseAssembler {
  isWhole = false;
  readonly #merger = new Merger();
  readonly #response: MergedValue = emptyFields();

  add(line: JsonObject): void {
    for (const [name, value] of Object.entries(line))
      if (MERGED.has(name)) this.#merger.merge(this.#response, { [name]: value }, true);
      else if (value !== null) this.#response[name] = value;
    if (line['done'] === true) this.isWhole = true;
  }

  get isComplete(): boolean {
    return this.#merger.isComplete;
  }

  get isExact(): boolean {
    return this.#merger.isExact;
  }

  response(): JsonObject {
    return this.#response;
  }
}
