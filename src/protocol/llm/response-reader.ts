// Makes facts of the wanted values of a response (response-paths.ts): of a plain body, or of one event after another.
// Hot path.
// Invariant: the facts are what a parse of the whole body gives. What is not a complete JSON object counts for nothing.
import { LlmFacts, UNKNOWN } from '../../core/exchange/llm-facts.ts';
import type { JsonForm } from './json-form.ts';
import { JsonSkimmer } from './json-skimmer.ts';
import type { SkimListener } from './skim-node.ts';
import { parsedJson } from './json-values.ts';
import { EventValues } from './event-values.ts';
import { COUNT, RAW, RESPONSE, SEEN, TEXT, USAGE_OF, USAGE_SIZE } from './response-paths.ts';
import { KnownForms } from './known-forms.ts';
import { errorOfEvent, type ResponseError } from './response-error.ts';
import { jsonText, TextCache } from './text-cache.ts';
import { HAS_COUNTS, UsageCounts } from './usage-counts.ts';

/** Choices from this one on count as one, and from the second one on for nothing. */
const LAST_CHOICE = 30;
const MAX_CHOICES = 128;
/** After so many values of errors that are not valid JSON, no error of a stream is looked for. */
const MAX_BROKEN_ERRORS = 32;
/** Types of the last event of a stream. */
const LAST_TYPES = new Set(['message_stop', 'response.completed', 'response.incomplete', 'response.failed']);

/** Shared by all readers: most responses repeat the texts and the form of the one before. */
const cache = new TextCache(Object.keys(TEXT).length);
const forms = new KnownForms(RESPONSE);

export class ResponseReader implements SkimListener {
  readonly #skimmer = new JsonSkimmer(this);
  readonly #event = new EventValues();
  /** The form whose usual texts have these values; undefined: not known. */
  #form: JsonForm | undefined;
  #facts = new LlmFacts();
  /** The id of the response is of interest. It is another one in each response. */
  wantsId = true;
  /** Something of a language model was seen. */
  #isKnown = false;
  #isStream = false;
  /** A piece of the event, or of the plain body, has come. */
  #hasBegun = false;
  readonly #usage = new UsageCounts();
  /** An event was the last one. */
  #isEnded = false;
  /** Choices that were seen, and those with a finish reason. Bits. */
  #seenChoices = 0;
  #endedChoices = 0;
  #choiceIndex = 0;
  #choiceFinish = '';
  /** Values of errors that were not valid JSON. */
  #brokenErrors = 0;
  /** The lowest index of a choice: its finish reason counts. */
  #firstIndex = Infinity;

  /** Begins a response. `isStream`: it has events. */
  begin(isStream: boolean): void {
    const { responseId, responseModel, finishReason } = this.#facts;
    if (this.#isKnown || responseId !== '' || responseModel !== '' || finishReason !== '')
      this.#facts = new LlmFacts();
    this.#isStream = this.#facts.isStream = isStream;
    this.#facts.isFinished = false;
    this.#isKnown = this.#isEnded = false;
    this.#usage.clear();
    this.#seenChoices = this.#endedChoices = this.#brokenErrors = 0;
    this.#firstIndex = Infinity;
    this.#clearEvent();
    this.#skimmer.begin(RESPONSE);
    this.beginEvent();
  }

  /** Begins an event, or the whole plain body. Its values are still those of the event before. */
  beginEvent(): void {
    this.#hasBegun = false;
  }

  /** Begins in the middle of a plain body: before a name of its object. */
  beginBeforeName(): void {
    this.#clearEvent();
    this.#skimmer.beginBeforeName(RESPONSE);
    this.#hasBegun = true;
  }

  /** Reads a piece of the body or of an event. */
  push(bytes: Buffer, from: number, to: number): void {
    if (this.#hasBegun) {
      this.#skimmer.push(bytes, from, to);
      return;
    }
    const end = this.#isStream ? -1 : this.pushKnown(bytes, from, to);
    if (end !== -1) {
      this.#skimmer.push(bytes, end, to);
      return;
    }
    this.#hasBegun = true;
    this.#clearEvent();
    this.#skimmer.begin(RESPONSE);
    this.#skimmer.push(bytes, from, to);
    if (this.isWhole) forms.learn(bytes, from, to);
  }

  /**
   * Reads a plain body, or an event up to a line end, that begins at bytes[from], if it is like one before. Returns the
   * index behind its object; -1: nothing was read.
   */
  pushKnown(bytes: Buffer, from: number, to: number): number {
    const form = forms.match(bytes, from, to, this.#isStream);
    if (form === undefined) return -1;
    if (form !== this.#form || !form.isUsual) {
      this.#clearEvent();
      form.tell(bytes, this);
      if (form.isUsual) this.#form = form;
    }
    this.#hasBegun = true;
    this.#skimmer.wasRead();
    return forms.end;
  }

  #clearEvent(): void {
    this.#event.clear();
    this.#form = undefined;
  }

  /** A line of an event's data ends, and another one follows. */
  endLine(): void {
    this.#skimmer.endLine();
  }

  /** The current event is a complete JSON object. */
  get isWhole(): boolean {
    return this.#skimmer.isWhole;
  }

  /** A stream has ended with `[DONE]`. */
  done(): void {
    this.#isEnded = true;
  }

  // ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────

  text(slot: number, bytes: Buffer, from: number, to: number): void {
    const facts = this.#facts;
    const event = this.#event;
    switch (slot) {
      case TEXT.model:
        if (facts.responseModel === '' && event.model === '') event.model = cache.text(slot, bytes, from, to);
        break;
      case TEXT.id:
        if (this.wantsId && facts.responseId === '' && event.id === '') event.id = jsonText(bytes, from, to);
        break;
      case TEXT.generated:
        event.seen |= SEEN.end;
        break;
      case TEXT.type:
        event.type = cache.text(slot, bytes, from, to);
        break;
      case TEXT.object:
        event.object = cache.text(slot, bytes, from, to);
        break;
      case TEXT.choiceFinish:
        this.#choiceFinish = cache.text(slot, bytes, from, to);
        break;
      case TEXT.stopReason:
        event.stopReason = cache.text(slot, bytes, from, to);
        break;
      case TEXT.doneReason:
        event.doneReason = cache.text(slot, bytes, from, to);
        break;
      case TEXT.status:
        event.status = cache.text(slot, bytes, from, to);
        break;
      case TEXT.message:
        event.message = cache.text(slot, bytes, from, to);
        break;
      case TEXT.errorType:
        event.errorType = cache.text(slot, bytes, from, to);
    }
  }

  number(slot: number, value: number): void {
    const event = this.#event;
    if (slot < USAGE_OF.groq) event.has |= HAS_COUNTS.body;
    else if (slot < USAGE_OF.choice) event.has |= HAS_COUNTS.groq;
    else if (slot < USAGE_OF.choice + USAGE_SIZE) {
      // As in a parse of the whole body, the first choice counts.
      if (event.choices > 1) return;
      event.has |= HAS_COUNTS.choice;
    } else {
      if (slot === COUNT.choiceIndex) this.#choiceIndex = value;
      else if (slot === COUNT.promptEval) event.promptEval = value;
      else event.eval = value;
      return;
    }
    event.counts[slot] = value;
  }

  flag(_slot: number, value: boolean): void {
    this.#event.done = value;
  }

  filled(slot: number): void {
    this.#event.seen |= slot;
  }

  raw(slot: number, json: string): void {
    (this.#event.errors ??= [])[slot] = json;
  }

  /** A choice begins. */
  begins(): void {
    this.#event.choices++;
    this.#choiceIndex = 0;
    this.#choiceFinish = '';
  }

  /** A choice ends. */
  ends(): void {
    const event = this.#event;
    const index = this.#choiceIndex;
    const finish = this.#choiceFinish;
    if (finish === 'error') event.hasErrorFinish = true;
    if (index >= MAX_CHOICES) return;
    const bit = 1 << Math.min(index, LAST_CHOICE);
    event.seenChoices |= bit;
    if (finish !== '') event.endedChoices |= bit;
    // Of a plain body the first choice counts, wherever its index is.
    if (!this.#isStream && event.choices > 1) return;
    if (index < event.firstIndex) event.firstFinish = '';
    if (index > event.firstIndex) return;
    event.firstIndex = index;
    if (finish !== '') event.firstFinish = finish;
  }

  // ── Ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An event has ended, and is whole. `name`: its type (`event:` of a text/event-stream). `nowMs`: performance.now(). */
  endEvent(name: string, nowMs: number): void {
    const event = this.#event;
    const facts = this.#facts;
    const { seen, type } = event;
    const isContent =
      (seen & SEEN.content) !== 0 ||
      ((seen & SEEN.delta) !== 0 && type.endsWith('.delta')) ||
      ((seen & SEEN.text) !== 0 && type === '') ||
      ((seen & SEEN.item) !== 0 && type === 'response.output_item.added');
    if (isContent) {
      facts.tokenCame(nowMs);
      this.#isKnown = true;
    }
    this.#addTexts();
    this.#usage.add(event);
    if (
      event.errors !== undefined ||
      event.hasErrorFinish ||
      name === 'error' ||
      type === 'error' ||
      type === 'response.failed' ||
      event.object === 'error'
    )
      this.#addError(name);
    if (event.choices > 0) this.#addChoices();
    if (type !== '') {
      if (type.startsWith('response.') || type.startsWith('message_')) this.#isKnown = true;
      if (LAST_TYPES.has(type)) this.#isEnded = true;
    }
    if (event.done !== undefined && facts.responseModel !== '') {
      this.#isKnown = true;
      if (event.done) this.#isEnded = true;
    }
    if ((seen & SEEN.end) !== 0) this.#isEnded = true;
    this.#addStopReason();
  }

  /** An event that is not JSON, but by its type an error, has ended. */
  endErrorText(text: string): void {
    this.#isKnown = true;
    this.#facts.error ??= { message: text, type: '' };
  }

  /** True if the current event has content, so that its time is needed. */
  get hasContent(): boolean {
    const { seen } = this.#event;
    return seen !== 0 && seen !== SEEN.end;
  }

  /** The response has ended. Returns what it says; undefined if it is not one of a language model. */
  end(): LlmFacts | undefined {
    const facts = this.#facts;
    if (!this.#isStream && this.isWhole) {
      const { done, choices } = this.#event;
      this.#addTexts();
      this.#usage.add(this.#event);
      if (choices > 0) this.#addChoices();
      this.#addStopReason();
      facts.isFinished = true;
      if (facts.finishReason !== '' || (done !== undefined && facts.responseModel !== ''))
        this.#isKnown = true;
    }
    this.#usage.read(facts);
    if (facts.totalTokens !== UNKNOWN || facts.outputTokens !== UNKNOWN || facts.inputTokens !== UNKNOWN)
      this.#isKnown = true;
    if (!this.#isKnown) return undefined;
    if (this.#isStream) {
      const isEnded = this.#isEnded || (this.#seenChoices !== 0 && this.#seenChoices === this.#endedChoices);
      facts.isFinished = isEnded && facts.error === undefined;
    }
    return facts;
  }

  /** Keeps the first model and the first id. */
  #addTexts(): void {
    const { model, id } = this.#event;
    if (model !== '') this.#facts.responseModel = model;
    if (id !== '') this.#facts.responseId = id;
  }

  #addChoices(): void {
    const { firstIndex, firstFinish, seenChoices, endedChoices } = this.#event;
    this.#isKnown = true;
    this.#seenChoices |= seenChoices;
    this.#endedChoices |= endedChoices;
    if (firstIndex < this.#firstIndex) {
      this.#firstIndex = firstIndex;
      this.#facts.finishReason = firstFinish;
    } else if (firstIndex === this.#firstIndex && firstFinish !== '') this.#facts.finishReason = firstFinish;
  }

  /** Stop reasons beside the choices. */
  #addStopReason(): void {
    const { stopReason, doneReason, done, status, object, type } = this.#event;
    const reason =
      stopReason ||
      (done === undefined ? '' : doneReason) ||
      (object === 'response' || LAST_TYPES.has(type) ? status : '');
    if (reason !== '' && this.#firstIndex === Infinity) this.#facts.finishReason = reason;
  }

  #addError(name: string): void {
    // The first error counts. Errors that are not valid JSON may be in every event, and to find that out is slow.
    if (this.#facts.error !== undefined || this.#brokenErrors >= MAX_BROKEN_ERRORS) return;
    const { errors = [], type, object, message, errorType, hasErrorFinish } = this.#event;
    const value = (slot: number): unknown => {
      const json = errors[slot];
      // A value that is too long is an error without a text.
      if (json === undefined || json === '') return json === '' ? TOO_LONG : undefined;
      const parsed = parsedJson(json);
      if (parsed === undefined) this.#brokenErrors++;
      return parsed;
    };
    const choice = value(RAW.choiceError);
    const found: ResponseError | undefined = errorOfEvent(
      {
        error: value(RAW.error),
        code: value(RAW.code),
        message,
        type,
        object,
        error_type: errorType,
        response: { error: value(RAW.responseError) },
        x_groq: { error: value(RAW.groqError) },
        choices: [{ error: choice, finish_reason: hasErrorFinish ? 'error' : '' }],
      },
      '',
      name,
    );
    if (found === undefined) return;
    this.#isKnown = true;
    this.#facts.error = found;
  }
}

const TOO_LONG = { message: '' };
