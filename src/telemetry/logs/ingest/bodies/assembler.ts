// The interface of the assemblers of streamed responses, one for each API of language models.
import type { JsonObject } from '../../../../protocol/llm/json-values.ts';

/** Assembles the response that the server would have sent without streaming, from the events of a stream. */
export interface ResponseAssembler {
  /** Adds the next event. */
  add(event: JsonObject): void;
  /** True if the events say that the response is complete. */
  readonly isWhole: boolean;
  /** False: something was dropped because of a limit. */
  readonly isComplete: boolean;
  /** False: it is not certain where some pieces belong, so the response may be wrong. */
  readonly isExact: boolean;
  /** The response so far. */
  response(): JsonObject;
}
