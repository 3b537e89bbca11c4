// Prepares the captured bodies of a request for the store: decompressed, streams assembled, redacted, cut to size; and
// reads errors from them. Runs on the recorder thread.
// Invariant: no body throws or costs more than a limited amount of work, and an incomplete body is marked.
import type { RawBodies, RawBody } from '../../../../core/exchange/body-capture.ts';
import type { Bodies } from '../../store/bodies.ts';
import type { Redactor } from '../redact.ts';
import { eventSplitter } from '../../../../protocol/http/event-stream.ts';
import { printable } from '../terminal-escapes.ts';
import { errorOfResponse, type ResponseError } from '../../../../protocol/llm/response-error.ts';
import { StreamedBody } from './streamed-body.ts';
import { parseObject, textOfJson } from '../../../../protocol/llm/json-values.ts';
import { completeCharacters, decodeBody } from './decode-body.ts';

/** Attributes of the request that come from its bodies. */
export interface BodyFacts {
  /** `cut`: only the beginning is stored. Another text: why the body is not stored. */
  readonly request_body?: string | undefined;
  readonly response_body?: string | undefined;
  /** The response is an event stream. */
  readonly is_stream?: true | undefined;
  /**
   * True if the events were assembled completely. False: the stream is incomplete, or it is not certain where its
   * pieces belong; in the second case the stream is stored unchanged.
   */
  readonly is_assembled?: boolean | undefined;
  /** Message, and type or code, of the error that the response reports in its body; redacted. */
  readonly response_error?: string | undefined;
  readonly response_error_type?: string | undefined;
}

export interface BodyResult {
  readonly facts: BodyFacts;
  /** The bodies to store; `undefined`: none. They may be in the memory of the captured ones. */
  readonly bodies: Bodies | undefined;
  /** True if the response was a stream that reported an error. The request failed, even with a status below 400. */
  readonly isFailedStream: boolean;
}

/** Maximum size of a decompressed body, as a multiple of the stored size. */
const DECOMPRESS_FACTOR = 16;
/** Characters after the cut that are redacted too, so that no rule misses a secret that the cut would split. */
const MARGIN = 4096;
/** Maximum length of a stored error message, in characters. */
export const MAX_ERROR = 1024;

/** One body as text. */
interface TextBody {
  readonly text: string | undefined;
  /** Exactly the text as UTF-8, if it is there already. */
  readonly bytes?: Uint8Array | undefined;
  /** Value of `request_body` or `response_body`. */
  readonly mark: string | undefined;
  /** True: the events as they came. */
  readonly isEvents?: boolean;
}

const NO_BODY: TextBody = { text: undefined, mark: undefined };

export class BodyReader {
  readonly #maxBytes: number;
  readonly #redactor: Redactor;
  /** Content-Type of the last response, and whether it is a stream. Most responses have the same. */
  #lastType = '';
  #isLastStream = false;

  /** `maxBytes`: maximum stored size of each body. `redactor`: of bodies for which `read` gets none. */
  constructor(maxBytes: number, redactor: Redactor) {
    this.#maxBytes = maxBytes;
    this.#redactor = redactor;
  }

  /** `isEnded`: the response is complete according to its framing. */
  read({ request, response }: RawBodies, isEnded = true, redactor = this.#redactor): BodyResult {
    const plainRequest = this.#decode(request);
    const plainResponse = this.#decode(response);
    const isStream = response !== undefined && this.#isStream(response.type);
    const stream =
      isStream && plainResponse.text !== undefined
        ? assembleStream(response, plainResponse.text, isEnded)
        : undefined;
    const error = stream ? stream.error : errorIn(response, plainResponse.text);
    const [storedRequest, requestMark] = this.#toStored(plainRequest, redactor);
    const [storedResponse, responseMark] = this.#toStored(
      redactor.masks && isStream && (stream?.body === undefined || stream.body.isEvents === true)
        ? unmaskable(plainResponse)
        : (stream?.body ?? plainResponse),
      redactor,
    );
    const facts: BodyFacts = {
      request_body: requestMark,
      response_body: responseMark,
      is_stream: isStream || undefined,
      is_assembled: stream?.isWhole,
      ...errorFacts(error, redactor),
    };
    const isAny = storedRequest !== undefined || storedResponse !== undefined;
    return {
      facts,
      bodies: isAny ? { request: storedRequest, response: storedResponse } : undefined,
      isFailedStream: stream?.error !== undefined,
    };
  }

  /** Bodies of a request that another program has recorded, as text of any kind. */
  readPosted({ request, response }: Bodies): BodyResult {
    const raw = (bytes: Uint8Array | undefined): RawBody | undefined =>
      bytes && { bytes: Uint8Array.from(bytes), type: typeOf(bytes), coding: '', isCut: false };
    return this.read({ request: raw(request), response: raw(response) });
  }

  #isStream(type: string): boolean {
    if (type !== this.#lastType) {
      this.#lastType = type;
      this.#isLastStream = eventSplitter(type, () => undefined, 0) !== undefined;
    }
    return this.#isLastStream;
  }

  /** Decompresses and decodes a body. */
  #decode(body: RawBody | undefined): TextBody {
    if (body === undefined) return NO_BODY;
    const read = decodeBody(body, this.#maxBytes * DECOMPRESS_FACTOR);
    if ('problem' in read) return { ...NO_BODY, mark: read.problem };
    return { text: read.text, bytes: read.bytes, mark: body.isCut ? 'cut' : undefined };
  }

  /** Redacts a body and cuts it to the stored size. Returns its mark too. */
  #toStored(
    { text, bytes: given, mark }: TextBody,
    redactor: Redactor,
  ): readonly [body: Uint8Array | undefined, mark: string | undefined] {
    if (text === undefined) return [undefined, mark];
    const max = this.#maxBytes;
    const isLonger = text.length > max + MARGIN;
    const redacted = redactor.redactBody(text.slice(0, max + MARGIN), isLonger || mark === 'cut');
    if (redacted === undefined) return [undefined, UNMASKABLE];
    // Most bodies contain no secret, and their bytes need not be made again.
    if (given !== undefined && given.length <= max && redacted === text) return [given, mark];
    const bytes = Buffer.from(redacted);
    if (bytes.length <= max && !isLonger) return [bytes, mark];
    const cut = bytes.subarray(0, max);
    return [cut.subarray(0, completeCharacters(cut)), 'cut'];
  }
}

/** Mark of a body that is not kept, since it may have values that masking does not find. */
export const UNMASKABLE = 'unmaskable';

const unmaskable = ({ text, mark }: TextBody): TextBody =>
  text === undefined ? { ...NO_BODY, mark } : { ...NO_BODY, mark: UNMASKABLE };

function errorFacts(error: ResponseError | undefined, redactor: Redactor): Partial<BodyFacts> {
  if (error === undefined) return {};
  const clean = (text: string): string => cleanError(text, (part) => redactor.redactStart(part, MAX_ERROR));
  return { response_error: clean(error.message), response_error_type: clean(error.type) || undefined };
}

/** The type that a body seems to have. */
const typeOf = (bytes: Uint8Array): string =>
  /^(?:data|event):/.test(Buffer.from(bytes.subarray(0, 8)).toString('latin1'))
    ? 'text/event-stream'
    : 'application/json';

/** Text of an error for the record: redacted (`Redactor.redactStart`), printable and not too long. */
export const cleanError = (text: string, redact: (text: string) => string): string =>
  printable(redact(text)).slice(0, MAX_ERROR).toWellFormed();

/** The error that a response without streaming reports. Few bodies have the word, and only those are parsed. */
const errorIn = (body: RawBody | undefined, text = ''): ResponseError | undefined =>
  body?.isCut === false && text.includes('"error"') ? errorOfResponse(parseObject(text)) : undefined;

interface AssembledStream {
  /** The body to store instead of the stream; `undefined`: the stream is stored unchanged. */
  readonly body: TextBody | undefined;
  /** `undefined`: the kind of the stream is unknown, so nothing was assembled. */
  readonly isWhole: boolean | undefined;
  readonly error: ResponseError | undefined;
}

/** Reads and assembles all events of a response; `undefined` if it is not an event stream. */
function assembleStream(
  { type, isCut }: RawBody,
  text: string,
  isEnded: boolean,
): AssembledStream | undefined {
  const streamed = new StreamedBody();
  const bytes = Buffer.from(text);
  const source = eventSplitter(type, (data, name) => streamed.add(data, name), bytes.length + 1);
  if (source === undefined) return undefined;
  source.push(bytes);
  source.end(isEnded && !isCut);
  const { error } = streamed;
  const result = streamed.result();
  if (result === undefined) return { body: undefined, isWhole: undefined, error };
  const mark = isCut ? 'cut' : undefined;
  const whole = textOfJson(result.response);
  return {
    body: result.isExact && whole !== undefined ? { text: whole, mark } : { text, mark, isEvents: true },
    isWhole: result.isWhole && result.isExact && whole !== undefined && isEnded && !isCut,
    error,
  };
}
