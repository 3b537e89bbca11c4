// A streamed response of OpenAI's responses API: its last event has all of it; one that was broken off has its texts.
import type { Assembler } from './streamed-body.ts';
import { objectAt, textAt, type JsonObject } from './json-values.ts';

const ENDS = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export class OpenAiResponseAssembler implements Assembler {
  isWhole = false;
  readonly isComplete = true;
  readonly isExact = true;
  #response: JsonObject = { object: 'response' };
  #text = '';

  add(event: JsonObject): void {
    const type = textAt(event, 'type');
    if (this.isWhole) return;
    this.#response = objectAt(event, 'response') ?? this.#response;
    if (type === 'response.output_text.delta') this.#text += textAt(event, 'delta');
    this.isWhole = ENDS.has(type);
  }

  answer(): JsonObject {
    return this.isWhole ? this.#response : { ...this.#response, output_text: this.#text };
  }
}
