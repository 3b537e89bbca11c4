// Follows the bodies of one request to a language model while they pass, for the facts in them. Hot path.
// Invariant: no byte is delayed or changed, and none is kept except of long bodies (plain-reader.ts). A response with a
// content coding is read at its end, if it was copied anyway.
import { LlmFacts, type LlmSource } from '../../core/exchange/llm-facts.ts';
import type { BodyCopy } from '../../core/exchange/body-capture.ts';
import type { PayloadSink } from '../http/body-framing.ts';
import { decompress } from '../http/content-coding.ts';
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

const isCoded = (coding: string | undefined): coding is string =>
  coding !== undefined && coding !== '' && !/^\s*identity\s*$/i.test(coding);

/** Forms of the types that came; few are in use. */
const forms = new Map<string, number>();
const MAX_FORMS = 64;

function formOf(type: string | undefined): number {
  if (type === undefined || type === '') return NOTHING;
  const known = forms.get(type);
  if (known !== undefined) return known;
  const form = JSON_TYPE.test(type)
    ? PLAIN
    : EVENT_TYPE.test(type)
      ? EVENTS
      : LINES_TYPE.test(type)
        ? LINES
        : NOTHING;
  // A copy, since the text may be a part of a whole head.
  if (forms.size < MAX_FORMS) forms.set(Buffer.from(type, 'latin1').toString('latin1'), form);
  return form;
}

/** A body with a content coding. */
interface CodedBody {
  readonly type: string | undefined;
  readonly coding: string;
  readonly copy: BodyCopy;
}

/** Of a body with a content coding, no more is read than this many decompressed bytes. */
const MAX_DECODED_BYTES = 1024 * 1024;

/** Of a response that is not streamed, the names after which a tail is read. */
const TAIL_NAMES = ['usage', 'done', 'total_duration', 'meta_info', 'details'];

/** May be used for one exchange after another. */
export class LlmFollower implements LlmSource {
  readonly #requestReader = new RequestReader();
  readonly #responseReader = new ResponseReader();
  readonly #plainRequest = new PlainReader(this.#requestReader, ['model'], true);
  readonly #plainResponse = new PlainReader(this.#responseReader, TAIL_NAMES, false);
  readonly #events = new EventReader(this.#responseReader);
  #form = NOTHING;
  #isRequestRead = false;
  #coded: CodedBody | undefined;

  /**
   * A request begins. `type`, `coding`: its Content-Type and Content-Encoding. `length`: of its body, if it is known.
   * Returns what is to get the body; undefined if it is not looked at.
   */
  requestBegins(
    type: string | undefined,
    coding: string | undefined,
    length = Infinity,
  ): PayloadSink | undefined {
    this.#form = NOTHING;
    this.#requestReader.begin();
    this.#coded = undefined;
    this.#isRequestRead = !isCoded(coding) && formOf(type) === PLAIN;
    if (!this.#isRequestRead) return undefined;
    this.#plainRequest.begin(length);
    return this.#plainRequest;
  }

  /**
   * A response begins. The parameters and the result are those of `requestBegins`. `copy`: a copy that is made of the
   * body, which is read at the end if the body has a content coding. `wantsId`: the id of the response is of interest.
   */
  responseBegins(
    type: string | undefined,
    coding: string | undefined,
    length = Infinity,
    copy?: BodyCopy,
    wantsId = copy !== undefined,
  ): PayloadSink | undefined {
    this.#responseReader.wantsId = wantsId;
    this.#coded = undefined;
    if (isCoded(coding)) {
      this.#form = NOTHING;
      if (copy !== undefined) this.#coded = { type, coding, copy };
      return undefined;
    }
    return this.#begin(type, length);
  }

  #begin(type: string | undefined, length: number): PayloadSink | undefined {
    this.#form = formOf(type);
    if (this.#form === NOTHING) return undefined;
    if (this.#form === PLAIN) {
      this.#responseReader.begin(false);
      this.#plainResponse.begin(length);
      return this.#plainResponse;
    }
    this.#events.begin(this.#form === LINES);
    return this.#events;
  }

  end(isWhole: boolean): LlmFacts | undefined {
    if (this.#coded !== undefined) this.#decode(this.#coded);
    const form = this.#form;
    this.#form = NOTHING;
    if (form === EVENTS || form === LINES) this.#events.end(isWhole);
    else this.#plainResponse.end(form === PLAIN && isWhole);
    const facts = form === NOTHING || (form === PLAIN && !isWhole) ? undefined : this.#responseReader.end();
    const model = this.#requestedModel();
    if (model === '') return facts;
    // Also a request that failed names its model.
    const all = facts ?? new LlmFacts();
    all.model = model;
    return all;
  }

  /** Reads a body with a content coding from its copy. The times of its events are not known. */
  #decode({ type, coding, copy }: CodedBody): void {
    this.#coded = undefined;
    const { whole } = copy;
    const decoded = whole && decompress(whole, coding, MAX_DECODED_BYTES);
    if (decoded === undefined || 'problem' in decoded) return;
    const { bytes } = decoded;
    const sink = this.#begin(type, bytes.length);
    this.#events.isTimed = false;
    sink?.push(bytes, 0, bytes.length);
  }

  #requestedModel(): string {
    if (!this.#isRequestRead) return '';
    this.#isRequestRead = false;
    this.#plainRequest.end(!this.#requestReader.isFound);
    return this.#requestReader.model;
  }
}
