// What is kept of the bodies of one exchange, and what they say: unpacked, put together, without secrets, cut to size.
// Must stay true: no body, whatever it claims to be, makes more than a bounded piece of work, or loses the record that it
// belongs to; what is not kept, or not whole, says so. Runs in the writer's thread, behind the answer.
import type { RawBodies, RawBody } from '../../../../core/exchange/body-capture.ts';
import type { Bodies } from '../../store/segment-writer.ts';
import type { Redactor } from '../redact.ts';
import { eventSource } from '../../../../protocol/http/event-stream.ts';
import { printable } from '../terminal-escapes.ts';
import { errorOfResponse, type ResponseError } from './response-error.ts';
import { StreamedBody } from './streamed-body.ts';
import { parseObject, textOfJson, type JsonObject } from './json-values.ts';
import { completeCharacters, textOf } from './decode-body.ts';
import { factsOf, type UsageFacts } from './usage.ts';

/** What the bodies add to the attributes of the request. */
export interface BodyFacts extends UsageFacts {
  /** What a body that was kept is not: `cut`, or why it was not kept. */
  readonly request_body?: string | undefined;
  readonly response_body?: string | undefined;
  /** The answer came as events. */
  readonly is_stream?: true | undefined;
  /**
   * True if its events were assembled. `false`: the stream is not complete, or it is not certain where its pieces belong;
   * then the stream is kept as it came.
   */
  readonly is_assembled?: boolean | undefined;
  /** Message, and type or code, of the error that the answer reports in its body; without secrets. */
  readonly response_error?: string | undefined;
  readonly response_error_type?: string | undefined;
}

export interface BodyResult {
  readonly facts: BodyFacts;
  readonly bodies: Bodies | undefined;
  /** The answer was a stream that reported an error: the request failed, whatever its status. */
  readonly isFailedStream: boolean;
}

/** Packed bodies may come to so many times what is kept. */
const UNPACK_FACTOR = 16;
/** Characters beyond what is kept that secrets are looked for in: one at the cut must not be halved into view. */
const MARGIN = 4096;
/** Longest message of an error that is kept, in characters. */
const MAX_ERROR = 1024;

/** One body, read. */
interface Kept {
  readonly text: string | undefined;
  /** Its JSON, where all of it came and is an object. */
  readonly json: JsonObject | undefined;
  readonly mark: string | undefined;
}

const NOTHING: Kept = { text: undefined, json: undefined, mark: undefined };

export class BodyReader {
  readonly #maxBytes: number;
  readonly #redactor: Redactor;

  /** `maxBytes`: what is kept of each. */
  constructor(maxBytes: number, redactor: Redactor) {
    this.#maxBytes = maxBytes;
    this.#redactor = redactor;
  }

  /** `isEnded`: the answer is complete by its framing. */
  read({ request, response }: RawBodies, isEnded = true): BodyResult {
    const asked = this.#plain(request);
    const raw = this.#plain(response);
    const stream = response && raw.text !== undefined ? followed(response, raw.text, isEnded) : undefined;
    const error = stream ? stream.error : errorOfResponse(raw.json);
    const answered = stream?.kept ?? raw;
    const [keptRequest, isRequestCut] = this.#clean(asked);
    const [keptResponse, isResponseCut] = this.#clean(answered);
    const facts: BodyFacts = {
      ...factsOf(asked.json, answered.json),
      request_body: asked.mark ?? (isRequestCut ? 'cut' : undefined),
      response_body: answered.mark ?? (isResponseCut ? 'cut' : undefined),
      is_stream: isStream(response) || undefined,
      is_assembled: stream?.isWhole,
      ...this.#errorFacts(error),
    };
    const isAny = keptRequest !== undefined || keptResponse !== undefined;
    return {
      facts,
      bodies: isAny ? { request: keptRequest, response: keptResponse } : undefined,
      isFailedStream: stream?.error !== undefined,
    };
  }

  /** A body as it came. */
  #plain(body: RawBody | undefined): Kept {
    if (body === undefined) return NOTHING;
    const read = textOf(body, this.#maxBytes * UNPACK_FACTOR);
    if ('problem' in read) return { ...NOTHING, mark: read.problem };
    const isJson = !body.isCut && /^\s*\{/.test(read.text);
    return {
      text: read.text,
      json: isJson ? parseObject(read.text) : undefined,
      mark: body.isCut ? 'cut' : undefined,
    };
  }

  #errorFacts(error: ResponseError | undefined): Partial<BodyFacts> {
    if (error === undefined) return {};
    const kept = (text: string): string =>
      printable(this.#redactor.redactText(text.slice(0, MAX_ERROR + MARGIN)))
        .slice(0, MAX_ERROR)
        .toWellFormed();
    return { response_error: kept(error.message), response_error_type: kept(error.type) || undefined };
  }

  /** What is stored of it, and whether that is less than there was. */
  #clean({ text }: Kept): [body: Buffer | undefined, isCut: boolean] {
    if (text === undefined) return [undefined, false];
    const max = this.#maxBytes;
    const bytes = Buffer.from(this.#redactor.redactText(text.slice(0, max + MARGIN)));
    if (bytes.length <= max && text.length <= max + MARGIN) return [bytes, false];
    const cut = bytes.subarray(0, max);
    return [cut.subarray(0, completeCharacters(cut)), true];
  }
}

const isStream = (body: RawBody | undefined): boolean =>
  body !== undefined && eventSource(body.type, () => undefined, 0) !== undefined;

interface Followed {
  /** The text that is kept instead of the stream; `undefined`: the stream is kept as it came. */
  readonly kept: Kept | undefined;
  /** `undefined`: its kind is unknown, so nothing was assembled. */
  readonly isWhole: boolean | undefined;
  readonly error: ResponseError | undefined;
}

/** Reads all events of an answer; `undefined` for an answer that is not an event stream. */
function followed({ type, isCut }: RawBody, text: string, isEnded: boolean): Followed | undefined {
  const answer = new StreamedBody();
  const bytes = Buffer.from(text);
  const source = eventSource(type, (data, name) => answer.add(data, name), bytes.length + 1);
  if (source === undefined) return undefined;
  source.push(bytes);
  source.end(isEnded && !isCut);
  const { error } = answer;
  const result = answer.result();
  if (result === undefined) return { kept: undefined, isWhole: undefined, error };
  const mark = isCut ? 'cut' : undefined;
  const whole = textOfJson(result.answer);
  return {
    kept: { text: result.isExact && whole !== undefined ? whole : text, json: result.answer, mark },
    isWhole: result.isWhole && result.isExact && whole !== undefined && isEnded && !isCut,
    error,
  };
}
