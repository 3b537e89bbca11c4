// The bodies of the requests of one drain, compressed together.
// Invariant: bodies are read back exactly.
import { fromBlob, toBlob } from './blob.ts';

/** Stored bodies of a request; `undefined`: none was stored. */
export interface Bodies {
  readonly request: Uint8Array | undefined;
  readonly response: Uint8Array | undefined;
}

/** Bodies with the sequence number of their request. */
export interface NumberedBodies extends Bodies {
  readonly seq: number;
}

/** Bodies of a request, as they are read. */
interface DecodedBodies extends Bodies {
  readonly request: Buffer | undefined;
  readonly response: Buffer | undefined;
}

/** Bytes of bodies that are compressed together at most, unless one request has more; and requests. */
const MAX_BYTES = 256 * 1024;
const MAX_REQUESTS = 1024;
const NONE = 0xffff_ffff;
const COUNT_BYTES = 4;
/** For each request: its sequence number (f64), and the sizes of its bodies (u32 each, NONE: none). */
const ENTRY_BYTES = 16;
/** Room before the bodies for the head, which ends where they begin. */
const HEAD_BYTES = COUNT_BYTES + ENTRY_BYTES * MAX_REQUESTS;
const GROUP_BYTES = HEAD_BYTES + MAX_BYTES;
/** Groups whose memory is kept for others. */
const MAX_SPARE = 8;

/** Bodies that are stored together, in memory that is used again for other groups. */
class BodyGroup {
  #bytes = Buffer.allocUnsafeSlow(GROUP_BYTES);
  readonly #seqs: number[] = [];
  /** Of both bodies of each request. */
  readonly #lengths: number[] = [];
  #end = HEAD_BYTES;

  get firstSeq(): number {
    return this.#seqs[0] ?? 0;
  }

  get isLarge(): boolean {
    return this.#bytes.length > GROUP_BYTES;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#seqs.length < MAX_REQUESTS && this.#end - HEAD_BYTES + bytes <= MAX_BYTES;
  }

  clear(): void {
    this.#seqs.length = 0;
    this.#lengths.length = 0;
    this.#end = HEAD_BYTES;
  }

  add({ seq, request, response }: NumberedBodies): void {
    this.#seqs.push(seq);
    this.#lengths.push(request?.length ?? NONE, response?.length ?? NONE);
    if (request) this.#put(request);
    if (response) this.#put(response);
  }

  encode(): Buffer {
    const bytes = this.#bytes;
    const count = this.#seqs.length;
    const from = HEAD_BYTES - COUNT_BYTES - count * ENTRY_BYTES;
    bytes.writeUInt32LE(count, from);
    for (let i = 0; i < count; i++) {
      const entry = from + COUNT_BYTES + i * ENTRY_BYTES;
      bytes.writeDoubleLE(this.#seqs[i]!, entry);
      bytes.writeUInt32LE(this.#lengths[2 * i]!, entry + 8);
      bytes.writeUInt32LE(this.#lengths[2 * i + 1]!, entry + 12);
    }
    return toBlob(bytes.subarray(from, this.#end), true);
  }

  #put(body: Uint8Array): void {
    const end = this.#end + body.length;
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, end));
      this.#bytes.copy(larger, HEAD_BYTES, HEAD_BYTES, this.#end);
      this.#bytes = larger;
    }
    this.#bytes.set(body, this.#end);
    this.#end = end;
  }
}

/** Collects bodies until they are stored, in groups that are stored together. */
export class BodyGroups {
  #groups: BodyGroup[] = [];
  readonly #spare: BodyGroup[] = [];

  /**
   * Copies bodies. They come in the order of their sequence numbers. `fromSeq`: a group that begins with an earlier
   * request is complete.
   */
  add(bodies: NumberedBodies, fromSeq = 0): void {
    const { request, response } = bodies;
    const size = (request?.length ?? 0) + (response?.length ?? 0);
    let group = this.#groups.at(-1);
    if (group === undefined || group.firstSeq < fromSeq || !group.hasRoomFor(size))
      this.#groups.push((group = this.#spare.pop() ?? new BodyGroup()));
    group.add(bodies);
  }

  /** The groups that begin before `endSeq`: the sequence number of their first request, and their bytes. */
  encoded(endSeq: number): { readonly seq: number; readonly bodies: Buffer }[] {
    return this.#groups
      .filter(({ firstSeq }) => firstSeq < endSeq)
      .map((group) => ({ seq: group.firstSeq, bodies: group.encode() }));
  }

  /** Removes the groups that begin before `endSeq`. */
  remove(endSeq: number): void {
    const removed = this.#groups.filter(({ firstSeq }) => firstSeq < endSeq);
    this.#groups = this.#groups.slice(removed.length);
    for (const group of removed) {
      if (group.isLarge || this.#spare.length === MAX_SPARE) continue;
      group.clear();
      this.#spare.push(group);
    }
  }
}

/** A group that was stored. */
export class OpenBodies {
  readonly #bytes: Buffer;

  /** Throws DamagedBlobError. */
  constructor(blob: Uint8Array) {
    this.#bytes = fromBlob(blob);
  }

  /** The bodies of the request with a sequence number; `undefined` if they are not in the group. */
  of(seq: number): DecodedBodies | undefined {
    for (const one of this.all()) if (one.seq === seq) return one.bodies();
    return undefined;
  }

  /** The requests of the group. `bodies` copies those of one. */
  *all(): Generator<{ readonly seq: number; readonly bodies: () => DecodedBodies }> {
    const bytes = this.#bytes;
    const count = bytes.readUInt32LE(0);
    let at = COUNT_BYTES + ENTRY_BYTES * count;
    for (let i = 0; i < count; i++) {
      const entry = COUNT_BYTES + i * ENTRY_BYTES;
      const [request, response] = [bytes.readUInt32LE(entry + 8), bytes.readUInt32LE(entry + 12)];
      const start = at;
      const between = at + sizeOf(request);
      const end = between + sizeOf(response);
      yield {
        seq: bytes.readDoubleLE(entry),
        bodies: () => ({
          request: request === NONE ? undefined : Buffer.from(bytes.subarray(start, between)),
          response: response === NONE ? undefined : Buffer.from(bytes.subarray(between, end)),
        }),
      };
      at = end;
    }
  }
}

const sizeOf = (length: number): number => (length === NONE ? 0 : length);
