// Writes frames into the ring (frames.ts): ended requests, lines of weir's own log, marks for messages. Hot path.
// Invariant: a frame that refers to a text is written after the frame that announces it. What does not fit into the ring
// is not written, and the caller counts it.
import type { DeploymentIdentity } from '../../../core/deployment-identity.ts';
import type { RawBodies, RawBody } from '../../../core/exchange/body-capture.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { LlmFacts } from '../../../core/exchange/llm-facts.ts';
import { pathOf } from '../../../core/exchange/request-path.ts';
import { ownSpanId } from '../../../core/exchange/identity.ts';
import type { RingWriter } from '../../../core/ring.ts';
import { LLM_NUMBERS, sharedMembers, storedNumber } from '../store/llm-numbers.ts';
import {
  aligned,
  BODIES_HEAD_BYTES,
  FLAG,
  FRAME,
  LLM,
  packHex,
  PROTOCOLS,
  REQUEST,
  SHARED,
} from './frames.ts';

/** Texts that are numbered at most, and characters of all of them, before they are forgotten. */
const MAX_TEXTS = 4096;
/** Texts of one request and of its model. */
const SPARE_TEXTS = 16;
const MAX_CHARACTERS = 1024 * 1024;
/** Bytes of a request frame without its ids, and at most with them: an id has up to 256 characters. */
const HEAD_BYTES = 4 * REQUEST.ids;
const MAX_REQUEST_BYTES = HEAD_BYTES + 256 + 16 + 8 + 8;
/** Characters of a text that is longer is cut, so that it fits into the ring. */
const MAX_TEXT = 128 * 1024;

const micros = (ms: number): number => Math.max(0, Math.round(ms * 1000));

const NO_DEPLOYMENT: DeploymentIdentity = { id: '', environment: '' };

interface LastText {
  text: string;
  number: number;
}

interface LastBodies {
  request: RawBody | undefined;
  response: RawBody | undefined;
  json: Uint8Array;
}

const encoder = new TextEncoder();
const NO_BYTES = new Uint8Array();
const NO_FACTS = encoder.encode('[null,null]');

export class FrameWriter {
  readonly #ring: RingWriter;
  readonly #texts = new Map<string, number>();
  /** Texts of origins of requests without a key, by deployment and replica. */
  #origins = new Map<DeploymentIdentity, Map<string, string>>();
  #characters = 0;
  #isFull = false;
  /** Those of the last request. Most requests have the same. `target`: with the number of its path. */
  readonly #target: LastText = { text: '', number: 0 };
  readonly #method: LastText = { text: '', number: 0 };
  readonly #cause: LastText = { text: '', number: 0 };
  readonly #origin = { deployment: NO_DEPLOYMENT, replica: '', key: '', number: 0 };
  /** Number of the recorder thread; and whether it was told that the frames from here on are for it. */
  #thread = 0;
  #isTold = true;
  /** Those of the last request with bodies, and their facts as JSON. */
  readonly #lastBodies: LastBodies = { request: undefined, response: undefined, json: NO_FACTS };

  constructor(ring: RingWriter) {
    this.#ring = ring;
  }

  /** A new recorder thread reads from here on. It ignores what was written for the one before, except lines. */
  restart(thread: number): void {
    this.#thread = thread;
    this.#isTold = false;
    this.#tell();
  }

  /** Writes an ended request. Returns false if the ring is full. `bodies`: written just before it. */
  request(
    e: Exchange,
    deployment: DeploymentIdentity = NO_DEPLOYMENT,
    isStored: boolean,
    hasBodies: boolean,
  ): boolean {
    if (!this.#tell()) return false;
    const hasLlm = e.llm !== undefined && this.#llm(e, e.llm);
    const hasNotes = e.notes !== undefined && isStored && this.#text(FRAME.notes, e.notes.text);
    // The texts of a model were numbered just now.
    if (!hasLlm) this.#forgetMany();
    this.#isFull = false;
    const path = this.#target.text === e.target ? this.#target.number : this.#pathNumber(e.target);
    const origin = this.#originNumber(deployment, e.replica, e.key);
    const remote = this.#number(
      e.clientSubject === '' ? e.remoteAddress : `${e.remoteAddress}\n${e.clientSubject}`,
    );
    const detail = this.#number(e.detail);
    const method =
      this.#method.text === e.method ? this.#method.number : this.#remember(this.#method, e.method);
    const cause = this.#cause.text === e.cause ? this.#cause.number : this.#remember(this.#cause, e.cause!);
    const ring = this.#ring;
    const at = this.#isFull ? -1 : ring.reserve(MAX_REQUEST_BYTES);
    if (at === -1) return false;
    const { u8, u16, u32, f64 } = ring;
    const word = at >> 2;
    const half = at >> 1;
    const double = at >> 3;
    u32[word + REQUEST.path] = path;
    u32[word + REQUEST.origin] = origin;
    u32[word + REQUEST.remote] = remote;
    u32[word + REQUEST.detail] = detail;
    u32[word + REQUEST.method] = method;
    u32[word + REQUEST.cause] = cause;
    u16[half + 2 * REQUEST.statusAttempts] = e.status;
    u16[half + 2 * REQUEST.statusAttempts + 1] = e.attempts;
    u16[half + 2 * REQUEST.retriesProtocol] = e.retries;
    u8[at + 4 * REQUEST.retriesProtocol + 2] = PROTOCOLS.indexOf(e.protocol);
    u8[at + 4 * REQUEST.retriesProtocol + 3] =
      (e.isAsync ? SHARED.isAsync : 0) |
      (e.isSampled ? SHARED.isSampled : 0) |
      (isStored ? SHARED.isStored : 0) |
      (hasLlm ? SHARED.hasLlm : 0) |
      (hasNotes ? SHARED.hasNotes : 0) |
      (e.isHttp2 ? SHARED.isHttp2 : 0);
    const { startMs } = e;
    const since = (ms: number): number => (ms === 0 ? 0 : micros(ms - startMs) + 1);
    f64[double + REQUEST.startMs / 2] = e.startEpochMs;
    f64[double + REQUEST.duration / 2] = micros(e.endMs - startMs);
    f64[double + REQUEST.leased / 2] = since(e.leasedMs);
    f64[double + REQUEST.connected / 2] = since(e.connectedMs);
    f64[double + REQUEST.head / 2] = since(e.headMs);
    f64[double + REQUEST.firstByte / 2] = since(e.firstByteMs);
    f64[double + REQUEST.waited / 2] = micros(e.waitedMs);
    f64[double + REQUEST.queued / 2] = micros(e.queuedMs);
    f64[double + REQUEST.requestBytes / 2] = e.requestBytes;
    f64[double + REQUEST.responseBytes / 2] = e.responseBytes;
    const { id } = e;
    const idLength = Math.min(256, id.length);
    let end = at + HEAD_BYTES;
    let flags = hasBodies ? FLAG.bodies : 0;
    if (packHex(id, 0, idLength, u8, end)) {
      flags |= FLAG.hexId;
      if (idLength === 37 && timeOfId(u8, end) === e.startEpochMs) flags |= FLAG.ownId;
      end += (idLength + 1) >> 1;
    } else for (let i = 0; i < idLength; i++) u8[end++] = id.charCodeAt(i);
    const { traceparent, parentSpanId, notes } = e;
    // With tracing off, only the client names them.
    const spanId = notes === undefined || e.spanId !== '' ? e.spanId : notes.spanId;
    const named = notes === undefined ? '' : notes.traceId;
    if (named !== '') {
      flags |= FLAG.trace;
      packHex(named, 0, 32, u8, end);
      end += 16;
    } else if (traceparent !== '') {
      if ((flags & FLAG.ownId) !== 0 && traceparent.startsWith(id.slice(5), 3)) flags |= FLAG.ownTrace;
      else {
        flags |= FLAG.trace;
        packHex(traceparent, 3, 35, u8, end);
        end += 16;
      }
    }
    if (spanId !== '') {
      if ((flags & FLAG.ownId) !== 0 && spanId === ownSpanId(id)) flags |= FLAG.ownSpan;
      else {
        flags |= FLAG.span;
        packHex(spanId, 0, 16, u8, end);
        end += 8;
      }
    }
    if (parentSpanId !== '') {
      flags |= FLAG.parent;
      packHex(parentSpanId, 0, 16, u8, end);
      end += 8;
    }
    const length = aligned(end - at);
    u32[word] = length;
    u32[word + 1] = FRAME.request | flags | (idLength << 16);
    ring.commit(length);
    return true;
  }

  /** Writes the bodies of the request whose frame follows. Returns false if the ring is full. */
  bodies({ request, response }: RawBodies): boolean {
    if (!this.#tell()) return false;
    const json = this.#bodyFacts(request, response);
    const requestLength = request?.bytes.length ?? 0;
    const responseLength = response?.bytes.length ?? 0;
    const responseAt = BODIES_HEAD_BYTES + aligned(requestLength);
    const jsonAt = responseAt + aligned(responseLength);
    const length = aligned(jsonAt + json.length);
    const at = this.#ring.reserve(length);
    if (at === -1) return false;
    const { u8, u32 } = this.#ring;
    const word = at >> 2;
    u32[word] = length;
    u32[word + 1] = FRAME.bodies;
    u32[word + 2] = json.length;
    u32[word + 3] = requestLength;
    u32[word + 4] = responseLength;
    if (request) u8.set(request.bytes, at + BODIES_HEAD_BYTES);
    if (response) u8.set(response.bytes, at + responseAt);
    u8.set(json, at + jsonAt);
    this.#ring.commit(length);
    return true;
  }

  /** Writes what a language model did for the request whose frame follows. Returns false if the ring is full. */
  #llm(e: Exchange, facts: LlmFacts): boolean {
    this.#forgetMany();
    this.#isFull = false;
    const shared = this.#number(sharedMembers(facts));
    const { error, responseId } = facts;
    // With a character before it, since an error may have no message.
    const message = error === undefined ? 0 : this.#number(`:${error.message}`);
    const errorType = error === undefined ? 0 : this.#number(error.type);
    const numbers = 4 * LLM.numbers;
    const ids = numbers + 8 * LLM_NUMBERS.length;
    const at = this.#isFull ? -1 : this.#ring.reserve(aligned(ids + 3 * responseId.length));
    if (at === -1) return false;
    const { u8, u32, f64 } = this.#ring;
    const word = at >> 2;
    u32[word + LLM.shared] = shared;
    u32[word + LLM.error] = message;
    u32[word + LLM.errorType] = errorType;
    const double = (at + numbers) >> 3;
    for (let i = 0; i < LLM_NUMBERS.length; i++) {
      const { read, scale } = LLM_NUMBERS[i]!;
      f64[double + i] = storedNumber(read(facts, e), scale);
    }
    const written =
      responseId === ''
        ? 0
        : encoder.encodeInto(responseId, u8.subarray(at + ids, at + ids + 3 * responseId.length)).written;
    u32[word + LLM.idLength] = written;
    const length = aligned(ids + written);
    u32[word] = length;
    u32[word + 1] = FRAME.llm;
    this.#ring.commit(length);
    return true;
  }

  /** Writes a line of weir's own log. Returns false if the ring is full. */
  line(text: string): boolean {
    return this.#text(FRAME.line, text);
  }

  /** True if there is room for a mark, so that a message may be posted. `mark` must follow in the same turn. */
  get hasRoomForMark(): boolean {
    return this.#tell() && this.#ring.reserve(8) !== -1;
  }

  /** Marks the place of a message that was posted just now. */
  mark(): void {
    const at = this.#ring.reserve(8);
    this.#ring.u32[at >> 2] = 8;
    this.#ring.u32[(at >> 2) + 1] = FRAME.message;
    this.#ring.commit(8);
  }

  /** Asks the recorder to write all lines. Returns false if the ring is full. */
  flush(number: number): boolean {
    const at = this.#ring.reserve(16);
    if (at === -1) return false;
    const { u32 } = this.#ring;
    u32[at >> 2] = 16;
    u32[(at >> 2) + 1] = FRAME.flush;
    u32[(at >> 2) + 2] = number;
    this.#ring.commit(16);
    return true;
  }

  /** Types, codings and whether they are cut, as JSON. Most requests have those of the one before. */
  #bodyFacts(request: RawBody | undefined, response: RawBody | undefined): Uint8Array {
    const last = this.#lastBodies;
    if (!isAlike(request, last.request) || !isAlike(response, last.response)) {
      last.request = request && { ...request, bytes: NO_BYTES };
      last.response = response && { ...response, bytes: NO_BYTES };
      last.json = encoder.encode(JSON.stringify([factsOf(request), factsOf(response)]));
    }
    return last.json;
  }

  /** The number of a text, 0 for the empty one; announces it first if it is new. */
  #number(text: string): number {
    if (text === '') return 0;
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#isFull || !this.#text(FRAME.text, text)) {
      this.#isFull = true;
      return 0;
    }
    const number = this.#texts.size + 1;
    this.#texts.set(text, number);
    this.#characters += text.length;
    return number;
  }

  #pathNumber(target: string): number {
    return this.#remember(this.#target, target, pathOf(target));
  }

  /** `text`: what is compared with that of the next request, with the number of `numbered`. */
  #remember(last: LastText, text: string, numbered = text): number {
    const number = this.#number(numbered);
    if (!this.#isFull) {
      last.text = text;
      last.number = number;
    }
    return number;
  }

  #originNumber(deployment: DeploymentIdentity, replica: string, key: string): number {
    const last = this.#origin;
    if (last.number !== 0 && last.deployment === deployment && last.replica === replica && last.key === key)
      return last.number;
    const text = this.#originText(deployment, replica);
    const number = this.#number(key === '' ? text : `${text}\n${key}`);
    last.deployment = deployment;
    last.replica = replica;
    last.key = key;
    // 0 if there was no room, so that it is looked up again.
    last.number = number;
    return number;
  }

  #originText(deployment: DeploymentIdentity, replica: string): string {
    let texts = this.#origins.get(deployment);
    if (texts === undefined) this.#origins.set(deployment, (texts = new Map()));
    let text = texts.get(replica);
    if (text === undefined)
      texts.set(replica, (text = `${deployment.id}\n${deployment.environment}\n${replica}`));
    return text;
  }

  /** Tells a new recorder thread that frames from here on are for it. Returns false while there is no room. */
  #tell(): boolean {
    return this.#isTold || (this.#isTold = this.#forget());
  }

  /** Forgets all texts if there are many. */
  #forgetMany(): void {
    if (this.#texts.size > MAX_TEXTS - SPARE_TEXTS || this.#characters > MAX_CHARACTERS) this.#forget();
  }

  #forget(): boolean {
    const at = this.#ring.reserve(16);
    if (at === -1) return false;
    this.#ring.u32[at >> 2] = 16;
    this.#ring.u32[(at >> 2) + 1] = FRAME.forget;
    this.#ring.u32[(at >> 2) + 2] = this.#thread;
    this.#ring.commit(16);
    this.#texts.clear();
    this.#origins.clear();
    this.#characters = 0;
    this.#target.text = this.#method.text = this.#cause.text = '';
    this.#target.number = this.#method.number = this.#cause.number = 0;
    this.#origin.number = 0;
    return true;
  }

  #text(kind: number, text: string): boolean {
    const cut = text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text;
    const room = aligned(12 + 3 * cut.length);
    const at = this.#ring.reserve(room);
    if (at === -1) return false;
    const { u8, u32 } = this.#ring;
    const { written } = encoder.encodeInto(cut, u8.subarray(at + 12, at + room));
    const length = aligned(12 + written);
    u32[at >> 2] = length;
    u32[(at >> 2) + 1] = kind;
    u32[(at >> 2) + 2] = written;
    this.#ring.commit(length);
    return true;
  }
}

const factsOf = (body: RawBody | undefined): unknown => body && [body.type, body.coding, body.isCut];

/** True if both have the same facts. */
function isAlike(a: RawBody | undefined, b: RawBody | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.type === b.type && a.coding === b.coding && a.isCut === b.isCut;
}

/** The first 12 digits of a packed id, as a number. */
const timeOfId = (u8: Uint8Array, at: number): number =>
  (u8[at]! * 256 + u8[at + 1]!) * 2 ** 32 +
  (((u8[at + 2]! << 24) | (u8[at + 3]! << 16) | (u8[at + 4]! << 8) | u8[at + 5]!) >>> 0);
