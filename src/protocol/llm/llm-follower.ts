// Follows the bodies of one request to a language model while they pass, for the facts in them. Hot path.
// Invariant: no byte is delayed or changed, and none is kept except of long bodies (plain-reader.ts). A body with a
// content coding is not looked at while it passes.
import type { LlmFacts, LlmSource } from '../../core/exchange/llm-facts.ts';
import type { PayloadSink } from '../http/body-framing.ts';
import { EventReader } from './event-reader.ts';
import { PlainReader } from './plain-reader.ts';
import { RequestReader } from './request-reader.ts';
import { ResponseReader } from './response-reader.ts';

const JSON_TYPE = /^\s*application\/(?:[\w.+-]*\+)?json\s*(?:;|$)/i;
const EVENT_TYPE = /^\s*text\/event-stream\s*(?:;|$)/i;
const LINES_TYPE = /^\s*application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines)\s*(?:;|$)/i;

/** What a body is read as. */
const NOTHING = 0;
const PLAIN = 1;
const EVENTS = 2;
const LINES = 3;

/** Most responses have the type of the one before. */
let lastType = '';
let lastForm = NOTHING;

function formOf(type: string | undefined, coding: string | undefined): number {
  if (type === undefined || (coding !== undefined && coding !== '' && !/^\s*identity\s*$/i.test(coding)))
    return NOTHING;
  if (type === lastType) return lastForm;
  lastType = type;
  lastForm = JSON_TYPE.test(type)
    ? PLAIN
    : EVENT_TYPE.test(type)
      ? EVENTS
      : LINES_TYPE.test(type)
        ? LINES
        : NOTHING;
  return lastForm;
}

/** Of a response that is not streamed, the names after which a tail is read. */
const TAIL_NAMES = ['usage', 'done', 'meta_info', 'details'];

/** May be used for one exchange after another. */
export class LlmFollower implements LlmSource {
  readonly #requestReader = new RequestReader();
  readonly #responseReader = new ResponseReader();
  readonly #plainRequest = new PlainReader(this.#requestReader, ['model']);
  readonly #plainResponse = new PlainReader(this.#responseReader, TAIL_NAMES);
  readonly #events = new EventReader(this.#responseReader);
  #form = NOTHING;
  #isRequestRead = false;

  /** A request begins. `type`, `coding`: its Content-Type and Content-Encoding. `length`: of its body, if it is known. */
  requestBegins(type: string | undefined, coding: string | undefined, length = Infinity): void {
    this.#form = NOTHING;
    this.#isRequestRead = formOf(type, coding) === PLAIN;
    this.#requestReader.begin();
    this.#plainRequest.begin(length);
  }

  /** Gets the body of the request. */
  readonly request: PayloadSink = {
    push: (bytes, from, to) => {
      if (this.#isRequestRead && !this.#requestReader.isFound) this.#plainRequest.push(bytes, from, to);
    },
  };

  /** A response begins. The parameters are those of `requestBegins`. Returns false if its body is not looked at. */
  responseBegins(type: string | undefined, coding: string | undefined, length = Infinity): boolean {
    this.#form = formOf(type, coding);
    if (this.#form === NOTHING) return false;
    if (this.#form === PLAIN) {
      this.#responseReader.begin(false);
      this.#plainResponse.begin(length);
    } else this.#events.begin(this.#form === LINES);
    return true;
  }

  /** Gets the body of the response. */
  readonly response: PayloadSink = {
    push: (bytes, from, to) => {
      if (this.#form === PLAIN) this.#plainResponse.push(bytes, from, to);
      else if (this.#form !== NOTHING) this.#events.push(bytes, from, to);
    },
  };

  end(isWhole: boolean): LlmFacts | undefined {
    const form = this.#form;
    this.#form = NOTHING;
    if (form === NOTHING) return undefined;
    if (form !== PLAIN) this.#events.end(isWhole);
    else if (!isWhole) return undefined;
    else this.#plainResponse.end();
    const facts = this.#responseReader.end();
    if (facts === undefined) return undefined;
    if (this.#isRequestRead && !this.#requestReader.isFound) this.#plainRequest.end();
    facts.model = this.#requestReader.model;
    return facts;
  }
}
