// What is kept of the bodies of one exchange, and what they say: unpacked, put together, without secrets, cut to size.
// Must stay true: no body, whatever it claims to be, makes more than a bounded piece of work, or loses the record that it
// belongs to; what is not kept, or not whole, says so. Runs in the writer's thread, behind the answer.
import type { RawBodies, RawBody } from '../../exchange/tap.ts';
import type { Bodies } from '../day-file.ts';
import type { Redactor } from '../redact.ts';
import { assemble } from './assemble.ts';
import { eventsOf } from './events.ts';
import { parseObject, textOfJson, type Fields } from './json.ts';
import { endOfCharacters, textOf } from './unpack.ts';
import { factsOf, type Facts } from './usage.ts';

/** What the bodies add to the attributes of the request. */
export interface BodyFacts extends Facts {
  /** What a body that was kept is not: `cut`, or why it was not kept. */
  readonly request_body?: string | undefined;
  readonly response_body?: string | undefined;
  /** The answer came as events. */
  readonly is_stream?: true | undefined;
  /** Its events were put together; `false`: they did not come to their end. */
  readonly is_assembled?: boolean | undefined;
}

export interface ReadBodies {
  readonly facts: BodyFacts;
  readonly bodies: Bodies | undefined;
}

/** Packed bodies may come to so many times what is kept. */
const UNPACK_FACTOR = 16;
/** Characters beyond what is kept that secrets are looked for in: one at the cut must not be halved into view. */
const MARGIN = 4096;

/** One body, read. */
interface Kept {
  readonly text: string | undefined;
  /** Its JSON, where all of it came and is an object. */
  readonly json: Fields | undefined;
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

  read({ request, response }: RawBodies): ReadBodies {
    const asked = this.#plain(request);
    const isStream = /^text\/event-stream\b/i.test(response?.type ?? '');
    const stream = isStream ? this.#assembled(response!) : undefined;
    const answered = stream?.kept ?? this.#plain(response);
    const [keptRequest, isRequestCut] = this.#clean(asked);
    const [keptResponse, isResponseCut] = this.#clean(answered);
    const facts: BodyFacts = {
      ...factsOf(asked.json, answered.json),
      request_body: asked.mark ?? (isRequestCut ? 'cut' : undefined),
      response_body: answered.mark ?? (isResponseCut ? 'cut' : undefined),
      is_stream: isStream || undefined,
      is_assembled: stream?.isWhole,
    };
    const isAny = keptRequest !== undefined || keptResponse !== undefined;
    return { facts, bodies: isAny ? { request: keptRequest, response: keptResponse } : undefined };
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

  /** A stream of events, put together; `undefined` where that is not known how. */
  #assembled(body: RawBody): { readonly kept: Kept; readonly isWhole: boolean } | undefined {
    const read = textOf(body, this.#maxBytes * UNPACK_FACTOR);
    if ('problem' in read) return undefined;
    const assembled = assemble(eventsOf(read.text));
    const text = assembled && textOfJson(assembled.answer);
    if (text === undefined) return undefined;
    return {
      kept: { text, json: assembled!.answer, mark: body.isCut ? 'cut' : undefined },
      isWhole: assembled!.isWhole && !body.isCut,
    };
  }

  /** What is stored of it, and whether that is less than there was. */
  #clean({ text }: Kept): [body: Buffer | undefined, isCut: boolean] {
    if (text === undefined) return [undefined, false];
    const max = this.#maxBytes;
    const bytes = Buffer.from(this.#redactor.redactText(text.slice(0, max + MARGIN)));
    if (bytes.length <= max && text.length <= max + MARGIN) return [bytes, false];
    const cut = bytes.subarray(0, max);
    return [cut.subarray(0, endOfCharacters(cut)), true];
  }
}
