// Makes the form of a JSON text (json-form.ts), for texts that are likely to come again.
// A text with line ends has none.
// Invariant: of strings a form has only those that are given to `text`, so it keeps nothing that a model wrote. The time
// is in proportion to the text.
import {
  CLOSE_LIST,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_LIST,
  OPEN_OBJECT,
  PLAIN,
  QUOTE,
  SPACE,
} from './json-bytes.ts';
import { JsonForm, MAX_PLACES, PLACE, TELL, type FormParts } from './json-form.ts';
import { keyOf, MAX_DEPTH, TAKE, type SkimNode } from './skim-node.ts';

const MAX_FORM_BYTES = 2048;
/** A longer string is not kept. */
const MAX_STRING = 64;
/** A longer number has no form. */
const MAX_NUMBER = 32;
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/;
const COUNT = /^\d{1,15}$/;
const WORD = /^(?:true|false|null)/;

/** The form of the object that bytes[from, to) begin with; undefined if it has none. */
export function buildForm(bytes: Buffer, from: number, to: number, root: SkimNode): JsonForm | undefined {
  return new FormBuilder(bytes.subarray(from, to)).build(root);
}

class FormBuilder {
  readonly #bytes: Buffer;
  #i = 0;
  readonly #parts = {
    text: [] as number[],
    starts: [] as number[],
    ends: [] as number[],
    kinds: [] as number[],
    calls: [] as number[],
  } satisfies FormParts;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  build(root: SkimNode): JsonForm | undefined {
    this.#spaces();
    return this.#bytes[this.#i] === OPEN_OBJECT && this.#value(root, 0)
      ? new JsonForm(this.#parts)
      : undefined;
  }

  /** Reads a value. Returns false if the text has no form. */
  #value(node: SkimNode | undefined, depth: number): boolean {
    this.#spaces();
    const isRaw = this.#takes(node, TAKE.raw);
    const byte = this.#bytes[this.#i];
    const ahead = this.#bytes.toString('latin1', this.#i, this.#i + MAX_NUMBER);
    const word = WORD.exec(ahead)?.[0];
    if (word !== undefined) {
      if (word !== 'null' && this.#takes(node, TAKE.flag))
        this.#tell(word === 'true' ? TELL.yes : TELL.no, node);
      return (!isRaw || word === 'null') && this.#take(word.length);
    }
    if (isRaw) return false;
    if (byte === OPEN_LIST || byte === OPEN_OBJECT)
      return depth < MAX_DEPTH && this.#inside(node, depth, byte === OPEN_LIST);
    return byte === QUOTE ? this.#string(node) : this.#number(node, NUMBER.exec(ahead)?.[0]);
  }

  /** Reads a list or an object. */
  #inside(node: SkimNode | undefined, depth: number, isList: boolean): boolean {
    const isWanted = (isList ? node?.item : node?.keys) !== undefined;
    const hasBounds = isWanted && this.#takes(node, TAKE.bounds);
    const close = isList ? CLOSE_LIST : CLOSE_OBJECT;
    if (hasBounds) this.#tell(TELL.begins, node);
    if (!this.#take(1)) return false;
    this.#spaces();
    if (this.#bytes[this.#i] !== close) {
      if (!isWanted && this.#takes(node, TAKE.filled)) this.#tell(TELL.filled, node);
      do {
        let member = isWanted ? node!.item : undefined;
        if (!isList) {
          const name = this.#name();
          if (name === undefined) return false;
          member = isWanted ? keyOf(node!, name, 0, name.length) : undefined;
        }
        if (!this.#value(member, depth + 1)) return false;
        this.#spaces();
      } while (this.#bytes[this.#i] === COMMA && this.#take(1));
    }
    if (hasBounds) this.#tell(TELL.ends, node);
    return this.#bytes[this.#i] === close && this.#take(1);
  }

  /** Reads a name and the colon after it. Undefined if it is not one, or has escapes. */
  #name(): Buffer | undefined {
    this.#spaces();
    const start = this.#i + 1;
    let end = start;
    while (end < this.#bytes.length && PLAIN[this.#bytes[end]!] === 1) end++;
    const isName = this.#bytes[this.#i] === QUOTE && this.#bytes[end] === QUOTE;
    if (!isName || !this.#take(end + 1 - this.#i)) return undefined;
    this.#spaces();
    return this.#bytes[this.#i] === COLON && this.#take(1) ? this.#bytes.subarray(start, end) : undefined;
  }

  #string(node: SkimNode | undefined): boolean {
    if (!this.#take(1)) return false;
    let end = this.#i;
    while (end < this.#bytes.length && this.#bytes[end] !== QUOTE)
      end += PLAIN[this.#bytes[end]!] === 1 ? 1 : 2;
    const isKept = this.#takes(node, TAKE.text) && end - this.#i <= MAX_STRING;
    if (end >= this.#bytes.length || !this.#place(PLACE.text, end, isKept)) return false;
    if (this.#takes(node, TAKE.filled)) this.#tell(TELL.filledText, node);
    if (this.#takes(node, TAKE.text)) this.#tell(TELL.text, node);
    return this.#take(1);
  }

  #number(node: SkimNode | undefined, text: string | undefined): boolean {
    if (text === undefined || text.length === MAX_NUMBER) return false;
    const isWanted = this.#takes(node, TAKE.number);
    if (isWanted && !COUNT.test(text)) return false;
    if (!this.#place(isWanted ? PLACE.count : PLACE.number, this.#i + text.length, true)) return false;
    if (isWanted) this.#tell(TELL.count, node);
    return true;
  }

  #spaces(): void {
    while (this.#bytes[this.#i] === SPACE && this.#take(1));
  }

  /** Adds bytes. Returns false if there are too many, or control characters. */
  #take(count: number): boolean {
    const { text } = this.#parts;
    if (text.length + count > MAX_FORM_BYTES) return false;
    for (let n = 0; n < count; n++) {
      const byte = this.#bytes[this.#i++]!;
      if (byte < SPACE) return false;
      text.push(byte);
    }
    return true;
  }

  /** Adds a place, which ends at `end`. Returns false if there are too many. */
  #place(kind: number, end: number, isKept: boolean): boolean {
    const { text, starts, ends, kinds } = this.#parts;
    if (starts.length === MAX_PLACES) return false;
    starts.push(text.length);
    if (!isKept) this.#i = end;
    else if (!this.#take(end - this.#i)) return false;
    ends.push(text.length);
    kinds.push(kind);
    return true;
  }

  #takes(node: SkimNode | undefined, what: number): node is SkimNode {
    return node !== undefined && (node.take & what) !== 0;
  }

  /** Adds a call for the place before. */
  #tell(what: number, { slot }: SkimNode): void {
    this.#parts.calls.push(what, slot, Math.max(0, this.#parts.starts.length - 1));
  }
}
