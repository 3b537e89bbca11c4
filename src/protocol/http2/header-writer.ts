// Writes one header section of a stream. Hot path.
// Invariant: fields are compressed in the order in which their sections are sent (RFC 7541 2.2), so the fields of a section
// that has to wait are kept and compressed later.
import type { Encoder, FieldFilter } from './hpack/encoder.ts';
import { BEGIN_BYTES } from './hpack/encoder.ts';
import { Field } from './hpack/field.ts';
import type { HeaderBlock } from './hpack/header-block.ts';
import type { Output } from './output.ts';
import type { Http2Stream } from './stream.ts';

/** Bytes of a literal beside its name and value, at most. */
const LITERAL_BYTES = 32;

/** A header section that waits behind data of its stream. */
export class DeferredHead {
  readonly fields: Field[] = [];
}

/** The methods must be called without a pause between `stream.head()` and `send`: all streams share the writer. */
export class HeaderWriter {
  readonly #output: Output;
  readonly #encoder: Encoder;
  /** `undefined` between two sections, so that an idle connection keeps no stream, and its owner, in memory. */
  #stream: Http2Stream | undefined;
  #deferred: DeferredHead | undefined;
  #at = 0;

  constructor(output: Output, encoder: Encoder) {
    this.#output = output;
    this.#encoder = encoder;
  }

  /** Begins a section. For `Http2Stream.head`. `isDeferred`: it is kept until the data before it is sent. */
  begin(stream: Http2Stream, isDeferred: boolean): this {
    this.#stream = stream;
    this.#deferred = isDeferred ? new DeferredHead() : undefined;
    if (isDeferred) return this;
    this.#at = this.#output.beginHeaders();
    this.#output.reserve(this.#at, BEGIN_BYTES);
    this.#at = this.#encoder.begin(this.#output.bytes, this.#at);
    return this;
  }

  /** Writes the fields of a block but those that `filter` drops. The filter is an object that is made once. */
  forward(block: HeaderBlock, filter: FieldFilter): this {
    if (this.#deferred !== undefined) {
      for (const field of block.fields) if (!filter.drops(field)) this.#deferred.fields.push(field);
      return this;
    }
    this.#output.reserve(this.#at, block.size);
    this.#at = this.#encoder.forward(block, filter, this.#output.bytes, this.#at);
    return this;
  }

  /** Writes a field whose value differs each time. The name is lower case, and the value has one character per byte. */
  add(name: string, value: string): this {
    if (this.#deferred !== undefined) {
      this.#deferred.fields.push(new Field(name, value));
      return this;
    }
    this.#output.reserve(this.#at, name.length + value.length + LITERAL_BYTES);
    this.#at = this.#encoder.literal(name, value, this.#output.bytes, this.#at);
    return this;
  }

  /** Writes a field that recurs. */
  field(field: Field): this {
    if (this.#deferred !== undefined) {
      this.#deferred.fields.push(field);
      return this;
    }
    this.#output.reserve(this.#at, field.size);
    this.#at = this.#encoder.field(field, this.#output.bytes, this.#at);
    return this;
  }

  /** Sends the section. `isEnd`: the stream ends with it. If data of the stream waits, it is sent after the data. */
  send(isEnd: boolean): void {
    const stream = this.#stream!;
    this.#stream = undefined;
    if (this.#deferred === undefined) {
      stream.headSent(this.#at, isEnd);
      return;
    }
    stream.headDeferred(this.#deferred, isEnd);
    this.#deferred = undefined;
  }

  /** Sends a section that waited. */
  sendDeferred(stream: Http2Stream, head: DeferredHead): void {
    this.begin(stream, false);
    for (const field of head.fields) {
      if (field.isNeverIndexed || field.index !== 0) this.field(field);
      else this.add(field.name, field.value);
    }
    this.send(true);
  }
}
