// A stream of HTTP/2 without a connection, that records what is sent.
import type { Field } from '../../src/protocol/http2/hpack/field.ts';
import type { ResponseStream } from '../../src/protocol/http2/http1/stream-response.ts';
import type { StreamListener } from '../../src/protocol/http2/stream-listener.ts';

/** The part of an Http2Stream that tests of other classes need. */
export class RecordedStream implements ResponseStream {
  /** `head name=value …`, `data …`, `end`, `reset CODE`, `stop`. */
  readonly events: string[] = [];
  listener: StreamListener | undefined;
  isOpen = true;
  hasPeerEnded = false;
  hasEnded = false;
  /** Bytes that the peer may send again. */
  consumedBytes = 0;
  /** Set by a test: what is written waits until `release`. */
  isSlow = false;
  waiting = 0;

  head(): ReturnType<ResponseStream['head']> {
    let text = 'head';
    const add = (name: string, value: string) => (text += ` ${name}=${value}`);
    return {
      forward: (block, filter) => {
        for (const field of block.fields) if (!filter.drops(field)) add(field.name, field.value);
      },
      add,
      field: ({ name, value }: Field) => add(name, value),
      send: (isEnd: boolean) => {
        this.events.push(text);
        if (isEnd) this.#end();
      },
    };
  }

  write(bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    if (to > from) this.events.push(`data ${bytes.latin1Slice(from, to)}`);
    if (this.isSlow) this.waiting += to - from;
    if (isEnd) this.#end();
    return this.waiting === 0;
  }

  consumed(bytes: number): void {
    this.consumedBytes += bytes;
  }

  reset(code: number): void {
    this.events.push(`reset ${code}`);
  }

  stopPeer(): void {
    this.events.push('stop');
  }

  #end(): void {
    this.hasEnded = true;
    this.events.push('end');
  }
}
