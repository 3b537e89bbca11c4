// What language models did for the requests of a page, as columns.
// Invariant: the numbers are in the order of LLM_NUMBERS. Pages of later versions may have more of them.
import { LLM_NUMBERS, llmValue } from './llm-numbers.ts';
import { decodeNumbers, encodedLength } from './number-column.ts';
import { TextColumn } from './text-column.ts';

export class LlmColumns {
  /** As they are stored (llm-numbers.ts), by rank. */
  readonly numbers: readonly Float64Array[];
  readonly responseIds: TextColumn;

  /** `bytes`: the part of the page: the ids of the responses, then the numbers. `count`: of its rows. */
  constructor(bytes: Uint8Array, count: number) {
    this.responseIds = new TextColumn(bytes, 0, count);
    let at = this.responseIds.end;
    this.numbers = LLM_NUMBERS.map(() => {
      // A page of an earlier version has fewer of them.
      if (at >= bytes.length) return new Float64Array(count);
      const values = decodeNumbers(bytes, at, count);
      at += encodedLength(bytes, at, count);
      return values;
    });
  }

  /** The attributes of a row as members of a JSON object, each with a comma after it. */
  members(rank: number): string {
    let text = '';
    for (let i = 0; i < LLM_NUMBERS.length; i++) {
      const { name, scale } = LLM_NUMBERS[i]!;
      const value = llmValue(this.numbers[i]![rank]!, scale);
      if (value !== undefined) text += `"${name}":${value},`;
    }
    const id = this.responseIds.at(rank);
    return id === '' ? text : `${text}"response_id":${JSON.stringify(id)},`;
  }
}
