// Follows the bodies of one request to a language model while they pass, for the facts in them. Hot path.
// Invariant: no byte is delayed or changed, and none is kept except of long bodies (plain-reader.ts). A response with a
// content coding is read at its end, if it was copied anyway.
import { LlmFacts, type LlmSource } from '../../core/exchange/llm-facts.ts';
import type { BodyCopy } from '../../core/exchange/body-capture.ts';
import type { PayloadSink } from '../http/body-framing.ts';
import { decompress } from '../http/content-coding.ts';
import { requestReaders, responseReaders, type RequestReaders, type ResponseReaders } from './readers.ts';

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

/** May be used for one exchange after another. Has readers only while a body is read. */
export class LlmFollower implements LlmSource {
  #request: RequestReaders | undefined;
  #response: ResponseReaders | undefined;
  #form = NOTHING;
  #coded: CodedBody | undefined;
  /** What was read of bodies that are complete. */
  #model = '';
  #facts: LlmFacts | undefined;

  /**
   * A request begins. `type`, `coding`: its Content-Type and Content-Encoding. `length`: of its body, if it is known.
   * Returns what is to get the body; undefined if it is not looked at.
   */
  requestBegins(
    type: string | undefined,
    coding: string | undefined,
    length = Infinity,
  ): PayloadSink | undefined {
    this.#giveBack();
    this.#model = '';
    this.#facts = undefined;
    if (isCoded(coding) || formOf(type) !== PLAIN) return undefined;
    const { reader, plain } = (this.#request = requestReaders.take());
    reader.begin();
    plain.begin(length);
    return this.#requestSink;
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
    this.#coded = undefined;
    if (!isCoded(coding)) return this.#begin(type, length, wantsId, true);
    if (copy !== undefined) this.#coded = { type, coding, copy };
    return undefined;
  }

  /** `isTimed`: the bytes come when they are sent. */
  #begin(
    type: string | undefined,
    length: number,
    wantsId: boolean,
    isTimed: boolean,
  ): PayloadSink | undefined {
    this.#form = formOf(type);
    if (this.#form === NOTHING) return undefined;
    const { reader, plain, events } = (this.#response = responseReaders.take());
    reader.wantsId = wantsId;
    if (this.#form === PLAIN) {
      reader.begin(false);
      plain.begin(length);
    } else {
      events.begin(this.#form === LINES);
      events.isTimed = isTimed;
    }
    return this.#responseSink;
  }

  readonly #requestSink: PayloadSink = {
    push: (bytes, from, to) => {
      const readers = this.#request;
      if (readers === undefined) return;
      readers.plain.push(bytes, from, to);
      if (readers.reader.isFound || readers.plain.isComplete) this.#endRequest(readers);
    },
  };

  readonly #responseSink: PayloadSink = {
    push: (bytes, from, to) => {
      const readers = this.#response;
      if (readers === undefined) return;
      if (this.#form !== PLAIN) return readers.events.push(bytes, from, to);
      readers.plain.push(bytes, from, to);
      if (readers.plain.isComplete) this.#endResponse(readers, true);
    },
  };

  end(isWhole: boolean): LlmFacts | undefined {
    if (this.#coded !== undefined) this.#decode(this.#coded);
    if (this.#response !== undefined) this.#endResponse(this.#response, isWhole);
    if (this.#request !== undefined) this.#endRequest(this.#request);
    const facts = this.#facts;
    this.#facts = undefined;
    const model = this.#model;
    this.#model = '';
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
    this.#begin(type, bytes.length, true, false)?.push(bytes, 0, bytes.length);
  }

  #endRequest(readers: RequestReaders): void {
    const { reader, plain } = readers;
    plain.end(!reader.isFound);
    this.#model = reader.model;
    this.#request = undefined;
    requestReaders.give(readers);
  }

  #endResponse(readers: ResponseReaders, isWhole: boolean): void {
    const { reader, plain, events } = readers;
    const isPlain = this.#form === PLAIN;
    if (isPlain) plain.end(isWhole);
    else events.end(isWhole);
    this.#facts = isPlain && !isWhole ? undefined : reader.end();
    this.#response = undefined;
    responseReaders.give(readers);
  }

  /** Gives readers back that an exchange before has left. */
  #giveBack(): void {
    this.#coded = undefined;
    if (this.#request !== undefined) this.#endRequest(this.#request);
    if (this.#response !== undefined) this.#endResponse(this.#response, false);
  }
}
