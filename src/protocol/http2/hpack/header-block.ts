// The fields of one header section: the head of a request or response, or trailers (RFC 9113 8.1).
// Invariant: fields keep their order, and repeated ones are kept.
// Once decoded, a block does not change. Streams that receive the same bytes share one.
import { Field, FIELD_KIND, LAST_PSEUDO_KIND } from './field.ts';

const METHOD = FIELD_KIND[':method'];
const PATH = FIELD_KIND[':path'];
const SCHEME = FIELD_KIND[':scheme'];
const AUTHORITY = FIELD_KIND[':authority'];
const PROTOCOL = FIELD_KIND[':protocol'];
const STATUS = FIELD_KIND[':status'];
const HOST = FIELD_KIND.host;
const CONTENT_LENGTH = FIELD_KIND['content-length'];

/** Fields after so many do not count as references. Their bits fit into a small integer of V8. */
const MAX_REFERENCES = 30;

/** Of `contentLength`. */
const NO_LENGTH = -1;
const INVALID_LENGTH = -2;

export class HeaderBlock {
  readonly #fields: Field[] = [];
  /** Sizes of all fields together (RFC 7541 4.1). The encoder needs at most as many bytes for the block. */
  size = 0;
  /** The fields were larger than the decoder allows, so the rest of them are missing. Refuse the stream. */
  isTooLarge = false;
  /** The decoder keeps this block for the next time that the same bytes come. */
  isRemembered = false;
  /** Pseudo-headers; empty if missing. */
  method = '';
  path = '';
  scheme = '';
  authority = '';
  protocol = '';
  status = '';
  /** -1: none; -2: invalid, or two that differ. */
  contentLength = NO_LENGTH;
  /** Why any message with these fields is malformed (RFC 9113 8.2 and 8.3); empty if it is not. */
  problem = '';
  /** Bit i: `isReference(i)`. */
  #references = 0;
  #host: string | undefined;
  /** Bit k: there is a pseudo-header with the kind k. */
  #pseudo = 0;
  #hasRegular = false;
  #raw: readonly string[] | undefined;

  /** Of a raw list: name, value, name, value, … */
  static of(raw: readonly string[]): HeaderBlock {
    const block = new HeaderBlock();
    for (let i = 0; i < raw.length; i += 2) block.add(new Field(raw[i]!, raw[i + 1]!), false);
    return block;
  }

  get fields(): readonly Field[] {
    return this.#fields;
  }

  /** True if field i came as a reference into a table, so that it is likely to come again. */
  isReference(i: number): boolean {
    return i < MAX_REFERENCES && (this.#references & (1 << i)) !== 0;
  }

  /** Value of the first field with the name, in lower case; `undefined` if there is none. */
  value(name: string): string | undefined {
    for (const field of this.#fields) if (field.name === name) return field.value;
    return undefined;
  }

  /** Value of the first field of a kind; `undefined` if there is none. */
  valueOfKind(kind: number): string | undefined {
    for (const field of this.#fields) if (field.kind === kind) return field.value;
    return undefined;
  }

  /** Name, value, name, value, … The list is made once. */
  raw(): readonly string[] {
    return (this.#raw ??= this.#fields.flatMap(({ name, value }) => [name, value]));
  }

  /** Why the block is malformed as the head of a request (RFC 9113 8.3.1 and 8.5, RFC 8441 4); empty if it is not. */
  requestProblem(): string {
    if (this.problem !== '') return this.problem;
    if (this.#has(STATUS)) return 'a request has :status';
    if (!this.#has(METHOD)) return 'a request has no :method';
    if (this.#has(PROTOCOL) && this.method !== 'CONNECT')
      return `a request with the method ${this.method} has :protocol`;
    if (this.method === 'CONNECT' && this.protocol === '') {
      if (this.#has(SCHEME) || this.#has(PATH)) return 'a CONNECT request has :scheme or :path';
      if (this.authority === '') return 'a CONNECT request has no :authority';
    } else if (!this.#has(SCHEME)) return 'a request has no :scheme';
    else if (!this.#has(PATH)) return 'a request has no :path';
    if (this.path === '*' && this.method !== 'OPTIONS') return `:path is "*", but :method is ${this.method}`;
    if (this.#has(AUTHORITY) && this.#host !== undefined && !isSameHost(this.#host, this.authority))
      return ':authority and host differ';
    return '';
  }

  /** Why the block is malformed as the head of a response (RFC 9113 8.3.2); empty if it is not. */
  responseProblem(): string {
    if (this.problem !== '') return this.problem;
    if (!this.#has(STATUS)) return 'a response has no :status';
    return this.#pseudo === 1 << STATUS ? '' : 'a response has a pseudo-header of requests';
  }

  /** Why the block is malformed as trailers (RFC 9113 8.1); empty if it is not. */
  trailersProblem(): string {
    if (this.problem !== '') return this.problem;
    return this.#pseudo === 0 ? '' : 'trailers have a pseudo-header';
  }

  /** Adds a field. `isReference`: it came as a reference into a table. For decoders. */
  add(field: Field, isReference: boolean): void {
    const fields = this.#fields;
    if (isReference && fields.length < MAX_REFERENCES) this.#references |= 1 << fields.length;
    fields.push(field);
    this.size += field.size;
    const { kind } = field;
    if (field.problem !== '') this.#blame(field.problem);
    if (kind !== 0 && kind <= LAST_PSEUDO_KIND) return this.#addPseudo(field);
    this.#hasRegular = true;
    if (kind === CONTENT_LENGTH) this.#addLength(field.value);
    else if (kind === HOST) {
      if (this.#host !== undefined) this.#blame('two host fields');
      this.#host = field.value;
    }
  }

  #has(kind: number): boolean {
    return (this.#pseudo & (1 << kind)) !== 0;
  }

  /** The first problem is the one that is told. */
  #blame(problem: string): void {
    if (this.problem === '') this.problem = problem;
  }

  #addPseudo({ kind, name, value }: Field): void {
    if (this.#hasRegular) this.#blame(`${name} comes after a field that is not a pseudo-header`);
    if (this.#has(kind)) return this.#blame(`two ${name} fields`);
    this.#pseudo |= 1 << kind;
    switch (kind) {
      case METHOD:
        this.method = value;
        return;
      case PATH:
        this.path = value;
        return;
      case SCHEME:
        this.scheme = value;
        return;
      case AUTHORITY:
        this.authority = value;
        return;
      case PROTOCOL:
        this.protocol = value;
        return;
      default:
        this.status = value;
    }
  }

  /** Equal lengths may repeat (RFC 9110 8.6). */
  #addLength(value: string): void {
    const length = /^\d{1,15}$/.test(value) ? Number(value) : INVALID_LENGTH;
    const isSame = this.contentLength === NO_LENGTH || this.contentLength === length;
    this.contentLength = isSame ? length : INVALID_LENGTH;
    if (this.contentLength === INVALID_LENGTH) this.#blame('content-length is invalid');
  }
}

const isSameHost = (host: string, authority: string): boolean =>
  host === authority || host.toLowerCase() === authority.toLowerCase();
