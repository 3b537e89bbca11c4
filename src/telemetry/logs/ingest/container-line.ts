// Unwraps lines that container runtimes write to log files. Both formats split long lines into pieces.
// CRI (containerd, CRI-O): `2026-11-27T00:00:01.5Z stderr F text`.
// Docker (json-file driver): `{"log":"text\n","stream":"stderr","time":"…"}`.
// Invariant: the result is the text that the container printed; a line without a certain wrapper stays unchanged.
import { timeOf } from './timestamp.ts';

/** A line, or a piece of one, without the wrapper of the runtime, and the data of the wrapper. */
export interface ContainerLine {
  readonly text: string;
  readonly stream: 'stdout' | 'stderr';
  /** When the runtime received it, nanoseconds since the epoch. */
  readonly timeNs: bigint;
  /** True if the line continues in the next piece of the stream. `perhaps`: it may, since its line end is missing. */
  readonly isPartial: boolean | 'perhaps';
  /** Other fields of the wrapper, as attributes of the line. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Time, stream and tags (`F`: full, `P`: partial; further tags follow after colons). */
const CRI =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP])(?::[\w:-]{0,64})?(?: |$)/;

/** Unwraps a line of a CRI log; `undefined` for every other line. */
export function unwrapCri(line: string, nowNs: bigint): ContainerLine | undefined {
  // Most other lines end here: the `T` of the time.
  if (line.charCodeAt(10) !== 0x54) return undefined;
  const match = CRI.exec(line);
  const timeNs = match ? timeOf(match[1], nowNs) : undefined;
  if (!match || timeNs === undefined) return undefined;
  const stream = match[2] as ContainerLine['stream'];
  return {
    text: line.slice(match[0].length),
    stream,
    timeNs,
    isPartial: match[3] === 'P',
    attributes: { stream },
  };
}

/**
 * Unwraps an object of Docker's json-file driver; `undefined` for every other object. Docker ends the text of a whole
 * line with LF. Other programs that write such objects leave it out.
 */
export function unwrapDocker(
  object: Readonly<Record<string, unknown>>,
  nowNs: bigint,
): ContainerLine | undefined {
  const { log, stream, time, ...others } = object;
  if (typeof log !== 'string' || (stream !== 'stdout' && stream !== 'stderr') || typeof time !== 'string')
    return undefined;
  const timeNs = timeOf(time, nowNs);
  if (timeNs === undefined) return undefined;
  const text = log.replace(/\r?\n$/, '');
  return {
    text,
    stream,
    timeNs,
    isPartial: text === log ? 'perhaps' : false,
    attributes: { stream, ...others },
  };
}

/** Docker splits lines that are longer than this, in bytes. */
const DOCKER_PIECE = 16 * 1024;

/** The pieces so far of one line of one stream. */
export class PartialLine {
  text = '';
  bytes = 0;
  isCut = false;
  /** The first piece. */
  readonly first: ContainerLine;
  lastNs = 0n;
  readonly #maxBytes: number;

  constructor(first: ContainerLine, maxBytes: number) {
    this.first = first;
    this.#maxBytes = maxBytes;
  }

  /**
   * Returns false if `next` is another line. Two short pieces without a line end are two lines of a program that writes
   * no line ends, unless the file had line ends before (`hasLineEnds`).
   */
  isContinuedBy(next: ContainerLine, hasLineEnds: boolean): boolean {
    if (this.first.isPartial !== 'perhaps' || next.isPartial !== 'perhaps' || hasLineEnds) return true;
    return this.bytes >= DOCKER_PIECE;
  }

  /** Adds a piece. `isCut`: the piece itself was cut. */
  add(text: string, isCut: boolean, nowNs: bigint): void {
    const bytes = Buffer.byteLength(text);
    this.bytes += bytes;
    this.lastNs = nowNs;
    if (this.isCut) return;
    const free = this.#maxBytes - (this.bytes - bytes);
    this.isCut = isCut || bytes > free;
    this.text += bytes > free ? cutTo(text, free) : text;
  }
}

/** The longest beginning of the text that fits into `bytes` bytes, without a partial character. */
function cutTo(text: string, bytes: number): string {
  const cut = Buffer.from(text.slice(0, bytes)).toString('utf8', 0, bytes);
  return cut.replace(/\ufffd+$/, '');
}
