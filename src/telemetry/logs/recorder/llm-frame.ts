// What a language model did for a request, as its frame says (frames.ts), until the frame of the request comes.
// Invariant: one object is used again for each frame, so it has a meaning until the next one.
import { LLM_NUMBERS } from '../store/llm-numbers.ts';
import { LLM, type FrameBytes } from './frames.ts';

export class LlmFrame {
  /** Number of the text with the shared members. */
  shared = 0;
  /** Numbers of the texts of an error in the stream; 0: none. */
  error = 0;
  errorType = 0;
  responseId = '';
  /** LLM_NUMBERS as they are in columns. */
  readonly numbers = new Float64Array(LLM_NUMBERS.length);

  /** Reads the frame at byte `at`. */
  read({ u8, u32, f64 }: FrameBytes, at: number): void {
    const word = at >> 2;
    this.shared = u32[word + LLM.shared]!;
    this.error = u32[word + LLM.error]!;
    this.errorType = u32[word + LLM.errorType]!;
    const numbers = at + 4 * LLM.numbers;
    const { length } = this.numbers;
    for (let i = 0; i < length; i++) this.numbers[i] = f64[(numbers >> 3) + i]!;
    const id = numbers + 8 * length;
    const idLength = u32[word + LLM.idLength]!;
    this.responseId = idLength === 0 ? '' : Buffer.from(u8.buffer, u8.byteOffset + id, idLength).toString();
  }
}
