// Assembles a streamed response of OpenAI's responses API. Its last event contains the whole response; without it, only
// the output text is kept.
import type { ResponseAssembler } from './assembler.ts';
import { objectAt, textAt, type JsonObject } from '../../../../protocol/llm/json-values.ts';

const LAST_EVENTS = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export class OpenAiResponseAssembler implements ResponseAssembler {
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
    this.isWhole = LAST_EVENTS.has(type);
  }

  response(): JsonObject {
    return this.isWhole ? this.#response : { ...this.#response, output_text: this.#text };
  }
}
