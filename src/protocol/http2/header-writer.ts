// Writes one header section of a stream. Hot path.
// Invariant: fields are compressed in the order in which their sections are sent (RFC 7541 2.2).
import type { Field } from './hpack/field.ts';
import type { HeaderBlock } from './hpack/header-block.ts';

/** Which fields of a block do not pass. An object per kind of traffic, made once: results are remembered with it. */
export interface FieldFilter {
  drops(field: Field): boolean;
}

/** The methods must be called without a pause between `stream.head()` and `send`: all streams share the writer. */
export interface HeaderWriter {
  /** Writes the fields of a block but those that `filter` drops. */
  forward(block: HeaderBlock, filter: FieldFilter): this;
  /** Writes a field whose value differs each time. The name is lower case. */
  add(name: string, value: string): this;
  /** Writes a field that recurs. */
  field(field: Field): this;
  /** Sends the section. `isEnd`: the stream ends with it. If data of the stream waits, it is sent after the data. */
  send(isEnd: boolean): void;
}
