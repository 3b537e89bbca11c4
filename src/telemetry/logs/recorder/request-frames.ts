// Reads request frames (frames.ts) on the recorder thread: adds the line of the access log and the row of the block.
// Invariant: what many requests share is decoded, redacted and formatted once.
import type { BlockRows } from '../store/block-rows.ts';
import { OWN_ID_BYTES } from '../store/block-rows.ts';
import { HAS, type NativeFacts, type Shape } from '../store/shape.ts';
import type { RecordWriter } from '../log-record.ts';
import type { RunningRequest } from '../ingest/running-requests.ts';
import type { BodyFacts } from '../ingest/bodies/body-reader.ts';
import { SEVERITY } from '../severity.ts';
import { cleanError } from '../ingest/bodies/body-reader.ts';
import { noteAttributes } from '../ingest/note-attributes.ts';
import { accessTexts, idText, type AccessLines, type AccessTexts } from './access-lines.ts';
import type { LlmFrame } from './llm-frame.ts';
import { NO_REDACTION, textOfAttributes, type RecordRedaction } from './record-redaction.ts';
import { ModelLine } from './model-line.ts';
import { FLAG, PROTOCOLS, REQUEST, SHARED, type FrameBytes } from './frames.ts';

/** Words that requests share, and how many such tuples are kept. */
const SHARED_WORDS = 8;
const MAX_SHARED = 8192;
/** Flags that decide which columns a row has. */
const COLUMN_FLAGS = 0xff00;

/** What the bodies of a request say about it, and whether some are stored. */
export interface BodiesOfRequest {
  readonly facts: BodyFacts;
  readonly hasBodies: boolean;
  /** The response is a stream that reported an error. */
  readonly isFailedStream: boolean;
}

/** What requests with the same shared words have in common. */
interface SharedFacts {
  readonly access: AccessTexts;
  readonly native: NativeFacts;
  /** Subject of the client's certificate; empty without one. */
  readonly clientSubject: string;
  readonly deployment: string;
  readonly environment: string;
  readonly replica: string;
  readonly status: number;
  /** By their columns (flags of the frame), and by the number of the text that requests to a model share. */
  readonly shapes: Map<number, Shape>;
  readonly hasLlm: boolean;
}

/** The severity of a request: error if weir or a replica failed, warning if the client did. */
function severityOf(protocol: string, status: number, cause: string): number {
  if (cause === 'client_gone' || cause === 'bad_request') return SEVERITY.warn;
  if (cause !== 'ok') return status >= 500 || protocol !== 'http' ? SEVERITY.error : SEVERITY.warn;
  if (protocol === 'grpc') return status === 0 ? SEVERITY.info : SEVERITY.warn;
  if (protocol === 'websocket') return status === 1011 ? SEVERITY.error : SEVERITY.info;
  return status >= 500 ? SEVERITY.error : status >= 400 ? SEVERITY.warn : SEVERITY.info;
}

function hashOf(u32: Uint32Array, word: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < SHARED_WORDS; i++) hash = Math.imul(hash ^ u32[word + i]!, 0x9e3779b1);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** Tuples of shared words, each with its facts. */
class SharedTable {
  readonly #slots = new Int32Array(4 * MAX_SHARED).fill(-1);
  readonly #words = new Uint32Array(MAX_SHARED * SHARED_WORDS);
  #facts: SharedFacts[] = [];

  clear(): void {
    this.#slots.fill(-1);
    this.#facts = [];
  }

  /** The facts of the words from `word` on; `undefined` if they are new. */
  find(u32: Uint32Array, word: number): SharedFacts | undefined {
    const mask = this.#slots.length - 1;
    for (let slot = hashOf(u32, word) & mask; ; slot = (slot + 1) & mask) {
      const index = this.#slots[slot]!;
      if (index === -1) return undefined;
      const from = index * SHARED_WORDS;
      let i = 0;
      while (i < SHARED_WORDS && this.#words[from + i] === u32[word + i]) i++;
      if (i === SHARED_WORDS) return this.#facts[index];
    }
  }

  /** Adds the facts of words that are new. */
  add(u32: Uint32Array, word: number, facts: SharedFacts): void {
    if (this.#facts.length === MAX_SHARED) this.clear();
    const mask = this.#slots.length - 1;
    let slot = hashOf(u32, word) & mask;
    while (this.#slots[slot] !== -1) slot = (slot + 1) & mask;
    this.#slots[slot] = this.#facts.length;
    this.#words.set(u32.subarray(word, word + SHARED_WORDS), this.#facts.length * SHARED_WORDS);
    this.#facts.push(facts);
  }
}

/** Adds the trace id, span id and parent span id of a frame whose `second` word says that it has them. */
function addNames(rows: BlockRows, row: number, u8: Uint8Array, at: number, second: number): void {
  let next = at;
  for (const [flag, bytes, texts] of [
    [FLAG.trace, 16, rows.traces],
    [FLAG.span, 8, rows.spans],
    [FLAG.parent, 8, rows.parents],
  ] as const) {
    if ((second & flag) === 0) continue;
    texts[row] = idText(u8, next, 2 * bytes, true);
    next += bytes;
  }
}

/** The attribute with the subject of a client's certificate, as a member of a JSON object. */
const subjectMember = (subject: string): string =>
  subject === '' ? '' : `"client_subject":${JSON.stringify(subject)}`;

/** Largest number of flags. */
const MAX_FLAGS = 0x10000;

export class RequestFrames {
  readonly #shared = new SharedTable();
  #redaction = NO_REDACTION;
  readonly #redact = (text: string): string => this.#redaction.redact(text);
  #own: RecordWriter = { pod: '', modelId: '' };
  #notes = '';
  /** By number. The first one is the empty text. */
  #texts: string[] = [''];
  /** Redacted paths and details, by their numbers. */
  #redacted: (string | undefined)[] = [];
  /** Facts about models that requests share, by the numbers of their texts. */
  #models: (ModelLine | undefined)[] = [];
  /** The same as members of a JSON object for records, redacted. */
  #redactedModels: (string | undefined)[] = [];

  /** The store is open. `own`: pod and model of the records. */
  storeOpened(redaction: RecordRedaction, own: RecordWriter): void {
    this.#redaction = redaction;
    this.#own = own;
    this.#redacted = [];
    this.#redactedModels = [];
    this.#shared.clear();
  }

  /** What the client said about the request whose frame follows, if that says so. */
  addNotes(text: string): void {
    this.#notes = text;
  }

  /** The next text was announced. */
  addText(text: string): void {
    this.#texts.push(text);
  }

  /** The texts so far are not used any more. */
  forget(): void {
    this.#texts = [''];
    this.#redacted = [];
    this.#redactedModels = [];
    this.#models = [];
    this.#shared.clear();
  }

  /** True if the request of a frame is to be stored. */
  isStored({ u8 }: FrameBytes, at: number): boolean {
    return (u8[at + 4 * REQUEST.retriesProtocol + 3]! & SHARED.isStored) !== 0;
  }

  /** True if its response is complete according to its framing. */
  isComplete(frames: FrameBytes, at: number): boolean {
    return this.#sharedOf(frames, at).native.cause === 'ok';
  }

  /** Its path, without a query. */
  pathOf({ u32 }: FrameBytes, at: number): string {
    return this.#texts[u32[(at >> 2) + REQUEST.path]!] ?? '';
  }

  /** Its id, deployment and replica. */
  ownerOf(frames: FrameBytes, at: number): RunningRequest {
    const { deployment, environment, replica } = this.#sharedOf(frames, at);
    const second = frames.u32[(at >> 2) + 1]!;
    const isHex = (second & FLAG.hexId) !== 0;
    const requestId = idText(frames.u8, at + 4 * REQUEST.ids, second >>> 16, isHex);
    return { requestId, owner: { deployment, environment, replica } };
  }

  /** Adds the line of the access log for the frame at byte `at`. */
  addLine(frames: FrameBytes, at: number, llm: LlmFrame, lines: AccessLines): void {
    const { access, hasLlm } = this.#sharedOf(frames, at);
    if (!hasLlm) return lines.add(access, frames, at);
    const model = (this.#models[llm.shared] ??= new ModelLine(this.#texts[llm.shared] ?? ''));
    lines.add(access, frames, at, model, llm.numbers);
  }

  /** The members of a record that requests to a model share. */
  #sharedMembers(number: number): string {
    return (this.#redactedModels[number] ??= JSON.stringify(
      JSON.parse(`{${this.#texts[number] ?? ''}}`),
      (_, value: unknown) => (typeof value === 'string' ? this.#redact(value) : value),
    ).slice(1, -1));
  }

  /** Adds the row of the frame at byte `at`. `bodies`: what its bodies say. */
  addRow(
    frames: FrameBytes,
    at: number,
    llm: LlmFrame,
    rows: BlockRows,
    bodies: BodiesOfRequest | undefined,
  ): void {
    const { u8, u32, f64 } = frames;
    const second = u32[(at >> 2) + 1]!;
    const double = at >> 3;
    const shared = this.#sharedOf(frames, at);
    const { hasLlm } = shared;
    const facts = hasLlm ? this.#withError(llm, bodies?.facts, frames, at) : bodies?.facts;
    const attributes = this.#attributesOf(facts, u8, at);
    const columns =
      (second & COLUMN_FLAGS) | (attributes === '' ? 0 : 1) | (bodies?.hasBodies === true ? 2 : 0);
    const hasError = (hasLlm && llm.error !== 0) || bodies?.isFailedStream === true;
    const shape = this.#shapeOf(shared, columns, hasLlm ? llm.shared : 0, hasError ? facts : undefined);
    const row = rows.begin(shape);
    rows.timeMs[row] = f64[double + REQUEST.startMs / 2]!;
    rows.restNs[row] = 0;
    rows.durationNs[row] = f64[double + REQUEST.duration / 2]! * 1000;
    rows.leased[row] = f64[double + REQUEST.leased / 2]!;
    rows.connected[row] = f64[double + REQUEST.connected / 2]!;
    rows.head[row] = f64[double + REQUEST.head / 2]!;
    rows.firstByte[row] = f64[double + REQUEST.firstByte / 2]!;
    rows.waited[row] = f64[double + REQUEST.waited / 2]!;
    rows.queued[row] = f64[double + REQUEST.queued / 2]!;
    rows.requestBytes[row] = f64[double + REQUEST.requestBytes / 2]!;
    rows.responseBytes[row] = f64[double + REQUEST.responseBytes / 2]!;
    const idLength = second >>> 16;
    let next = at + 4 * REQUEST.ids;
    if ((second & FLAG.ownId) !== 0) {
      const into = row * OWN_ID_BYTES;
      for (let i = 0; i < OWN_ID_BYTES; i++) rows.ownId[into + i] = u8[next + 6 + i]!;
      rows.ownIdDigit[row] = u8[next + 6 + OWN_ID_BYTES]! >> 4;
    } else if (idLength > 0) rows.requestIds[row] = idText(u8, next, idLength, (second & FLAG.hexId) !== 0);
    next += (second & FLAG.hexId) === 0 ? idLength : (idLength + 1) >> 1;
    if ((second & (FLAG.trace | FLAG.span | FLAG.parent)) !== 0) addNames(rows, row, u8, next, second);
    if (attributes !== '') rows.attributes[row] = attributes;
    if (hasLlm) rows.setLlm(row, llm.numbers, llm.responseId);
    rows.end(attributes.length + (hasLlm ? llm.responseId.length : 0));
  }

  /** The attributes of the row as JSON text: of its bodies, and of what its client said. */
  #attributesOf(facts: BodyFacts | undefined, u8: Uint8Array, at: number): string {
    if ((u8[at + 4 * REQUEST.retriesProtocol + 3]! & SHARED.hasNotes) === 0)
      return facts === undefined ? '' : textOfAttributes(facts);
    const notes = noteAttributes(this.#notes);
    this.#notes = '';
    return this.#redaction.attributesText({ ...facts, ...notes });
  }

  #sharedOf({ u8, u32 }: FrameBytes, at: number): SharedFacts {
    const word = at >> 2;
    let facts = this.#shared.find(u32, word + REQUEST.path);
    if (facts === undefined) {
      facts = this.#decode(u8, u32, at, word);
      this.#shared.add(u32, word + REQUEST.path, facts);
    }
    return facts;
  }

  #decode(u8: Uint8Array, u32: Uint32Array, at: number, word: number): SharedFacts {
    const text = (offset: number): string => this.#texts[u32[word + offset]!] ?? '';
    const [deployment = '', environment = '', replica = '', key = ''] = text(REQUEST.origin).split('\n');
    const [remote = '', clientSubject = ''] = text(REQUEST.remote).split('\n');
    const flags = u8[at + 4 * REQUEST.retriesProtocol + 3]!;
    const status = u32[word + REQUEST.statusAttempts]! & 0xffff;
    const isHttp2 = (flags & SHARED.isHttp2) !== 0;
    const facts = {
      protocol: PROTOCOLS[u8[at + 4 * REQUEST.retriesProtocol + 2]!]!,
      method: text(REQUEST.method),
      cause: text(REQUEST.cause),
      remote,
      attempts: u32[word + REQUEST.statusAttempts]! >>> 16,
      isAsync: (flags & SHARED.isAsync) !== 0,
    };
    return {
      access: accessTexts({
        ...facts,
        path: text(REQUEST.path),
        detail: text(REQUEST.detail),
        status,
        deployment,
        environment,
        replica,
        clientSubject,
        key,
        isHttp2,
      }),
      native: {
        ...facts,
        path: this.#redactedText(u32[word + REQUEST.path]!),
        detail: this.#redactedText(u32[word + REQUEST.detail]!),
        retries: u32[word + REQUEST.retriesProtocol]! & 0xffff,
        isSampled: (flags & SHARED.isSampled) !== 0,
        streamError: '',
        isFailedStream: false,
        shared: [
          ...(key === '' ? [] : [`"key":${JSON.stringify(this.#redact(key))}`]),
          ...(isHttp2 ? ['"http_version":"2"'] : []),
        ].join(','),
      },
      clientSubject,
      deployment,
      environment,
      replica,
      status,
      shapes: new Map(),
      hasLlm: (flags & SHARED.hasLlm) !== 0,
    };
  }

  #redactedText(number: number): string {
    return (this.#redacted[number] ??= this.#redact(this.#texts[number] ?? ''));
  }

  /** Attributes of the bodies, and those of an error that a stream reported. */
  #withError(
    llm: LlmFrame,
    facts: BodyFacts | undefined,
    frames: FrameBytes,
    at: number,
  ): BodyFacts | undefined {
    if (facts === undefined && llm.error === 0) return undefined;
    // The shape may say already that it is a stream.
    const isKnown = this.#sharedMembers(llm.shared).includes('"is_stream":true');
    const others = facts && { ...facts, is_stream: isKnown ? undefined : facts.is_stream };
    if (llm.error === 0 || facts?.response_error !== undefined) return others;
    const redact = (text: string): string => this.#redaction.redactOfBody(text, this.pathOf(frames, at));
    const clean = (number: number): string => cleanError(this.#texts[number] ?? '', redact);
    const response_error_type = clean(llm.errorType) || undefined;
    return { ...others, response_error: clean(llm.error).slice(1), response_error_type };
  }

  /**
   * `columns`: flags of the columns that the row has. `model`: number of the text that requests to a model share; 0: none.
   * `failed`: the attributes of a stream that reported an error.
   */
  #shapeOf(shared: SharedFacts, columns: number, model: number, failed: BodyFacts | undefined): Shape {
    const { native, status, shapes } = shared;
    // A stream that reports an error in an event has failed, although its status means success. Clients close the
    // connection after such an event.
    const isFailed = failed !== undefined && (status < 400 || native.cause !== 'ok');
    const key = columns + MAX_FLAGS * model;
    let shape = isFailed ? undefined : shapes.get(key);
    if (shape === undefined) {
      const facts = {
        ...native,
        shared: [native.shared, subjectMember(shared.clientSubject), this.#sharedMembers(model)]
          .filter(Boolean)
          .join(),
        ...(isFailed && { isFailedStream: true, streamError: failed.response_error ?? '' }),
      };
      shape = this.#makeShape(shared, columns, facts);
      if (!isFailed) shapes.set(key, shape);
    }
    return shape;
  }

  #makeShape(
    { deployment, environment, replica, status, hasLlm }: SharedFacts,
    key: number,
    native: NativeFacts,
  ): Shape {
    const column = (flag: number, has: number): number => ((key & flag) === 0 ? 0 : has);
    return {
      kind: 'request',
      severity: native.isFailedStream ? SEVERITY.error : severityOf(native.protocol, status, native.cause),
      status,
      deployment,
      environment,
      replica,
      source: 'weir',
      pod: this.#own.pod,
      modelId: this.#own.modelId,
      has:
        HAS.native |
        ((key & FLAG.ownId) === 0 ? HAS.requestId : HAS.ownId) |
        column(FLAG.ownTrace, HAS.ownTrace) |
        column(FLAG.trace, HAS.trace) |
        column(FLAG.ownSpan, HAS.ownSpan) |
        column(FLAG.span, HAS.span) |
        column(FLAG.parent, HAS.parent) |
        column(1, HAS.attributes) |
        column(2, HAS.bodies) |
        (hasLlm ? HAS.llm : 0),
      native,
    };
  }
}
