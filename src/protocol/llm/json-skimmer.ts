// Reads a few values of a JSON text while its bytes pass, without keeping or parsing the rest. Hot path.
// Invariant: the same bytes give the same values at every split. Of a text at most MAX_HELD_BYTES are copied.
// Every byte is looked at once; what cannot hold a wanted value is only searched for its end.
// It accepts some texts that are not JSON, such as wrong words (`nul`) and control characters in strings.
import { FarStructure } from './far-structure.ts';
import { HeldBytes, MAX_HELD_BYTES } from './held-bytes.ts';
import {
  BEGINS_SCALAR,
  CLOSE_LIST,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  ENDS_SCALAR,
  OPEN_LIST,
  OPEN_OBJECT,
  PLAIN,
  QUOTE,
  SPACE,
  STRUCTURE,
  wholeNumber,
} from './json-bytes.ts';
import { TextEnd } from './text-end.ts';
import { anyKeyOf, keyOf, MAX_DEPTH, TAKE, type SkimListener, type SkimNode } from './skim-node.ts';

/** Bytes that are looked at one by one before the end is searched for. */
const FAR = 64;

/** States: what comes next, or what the last byte was in. Before IN_NAME are those in which spaces are skipped. */
const VALUE = 0;
/** A value or the end of the list. */
const FIRST_ITEM = 1;
/** A name or the end of the object. */
const FIRST_NAME = 2;
const NAME = 3;
const BEFORE_COLON = 4;
/** A comma or the end of the list or object. */
const AFTER = 5;
const DONE = 6;
const IN_NAME = 7;
const IN_TEXT = 8;
const IN_SCALAR = 9;
/** In a list or an object without wanted values, outside and inside of its strings. */
const SKIPPING = 10;
const SKIPPING_TEXT = 11;
const BROKEN = 12;

const BOM = new Set([0xef, 0xbb, 0xbf]);

export class JsonSkimmer {
  readonly #listener: SkimListener;
  #state = VALUE;
  /** Node of the value that comes next or is being read; undefined if it is not wanted. */
  #node: SkimNode | undefined;
  /** Nodes of the lists and objects around it; `isList` by depth. */
  readonly #nodes: (SkimNode | undefined)[] = Array.from({ length: MAX_DEPTH }, () => undefined);
  readonly #isList = new Uint8Array(MAX_DEPTH);
  #depth = 0;
  /** Lists and objects that are open below the one that is skipped, with itself. */
  #skipped = 0;
  /** The container that is skipped has had something in it. */
  #hasContent = false;
  readonly #textEnd = new TextEnd();
  /** A string before this piece was not empty. */
  #hasText = false;
  #value = 0;
  #first = 0;
  #isRaw = false;
  #isStopped = false;
  /** `far` knows these bytes. */
  #isSearching = false;
  readonly #held = new HeldBytes();

  constructor(listener: SkimListener) {
    this.#listener = listener;
  }

  /** Begins a text. Only an object at its root has wanted values. */
  begin(root: SkimNode): void {
    this.#state = VALUE;
    this.#isStopped = false;
    this.#node = root;
    this.#depth = 0;
    this.#held.length = 0;
    this.#isRaw = false;
    this.#textEnd.begin();
  }

  /** Begins in an object as `root` describes it, before a name. */
  beginBeforeName(root: SkimNode): void {
    this.begin(root);
    this.#state = NAME;
    this.#nodes[0] = root;
    this.#isList[0] = 0;
    this.#depth = 1;
  }

  /** The rest of the text is not read. Called by the listener. */
  stop(): void {
    this.#isStopped = true;
  }

  /** The value at the root was read by another reader. */
  wasRead(): void {
    this.#state = DONE;
  }

  /** The value at the root has ended. */
  get isWhole(): boolean {
    return this.#state === DONE;
  }

  /** A line end is between the bytes so far and the next ones. */
  endLine(): void {
    const state = this.#state;
    if (state === IN_SCALAR) this.#scalar(Buffer.from('\n'), 0, 1);
    else if (state === IN_NAME || state === IN_TEXT || state === SKIPPING_TEXT) this.#state = BROKEN;
  }

  /** Reads bytes[from, to). Returns the index of the first byte that cannot be JSON; else `to`. */
  push(bytes: Buffer, from: number, to: number): number {
    this.#isSearching = false;
    let i = from;
    while (i < to) {
      const byte = bytes[i]!;
      if (byte <= SPACE && this.#state < IN_NAME) {
        i++;
        continue;
      }
      switch (this.#state) {
        case AFTER:
          if (byte === COMMA) {
            this.#next();
            i++;
          } else if (byte === (this.#isList[this.#depth - 1] === 1 ? CLOSE_LIST : CLOSE_OBJECT)) {
            this.#leave();
            i++;
          } else return this.#break(i);
          break;
        case NAME:
        case FIRST_NAME: {
          if (byte !== QUOTE) {
            if (byte !== CLOSE_OBJECT || this.#state === NAME) return this.#break(i);
            this.#leave();
            i++;
            break;
          }
          // Names are short, seldom split, and followed by a colon.
          let end = i + 1;
          while (end < to && PLAIN[bytes[end]!] === 1) end++;
          if (end + 2 < to && bytes[end] === QUOTE && bytes[end + 1] === COLON) {
            this.#node = keyOf(this.#nodes[this.#depth - 1]!, bytes, i + 1, end);
            this.#state = VALUE;
            i = end + 2;
          } else i = this.#name(bytes, i + 1, to);
          break;
        }
        case FIRST_ITEM:
        case VALUE:
          if (byte === CLOSE_LIST && this.#state === FIRST_ITEM) {
            this.#leave();
            i++;
          } else i = this.#beginValue(bytes, byte, i, to);
          break;
        case BEFORE_COLON:
          if (byte !== COLON) return this.#break(i);
          this.#state = VALUE;
          i++;
          break;
        case IN_NAME:
          i = this.#name(bytes, i, to);
          break;
        case IN_TEXT:
          i = this.#text(bytes, i, to);
          break;
        case IN_SCALAR:
          i = this.#scalar(bytes, i, to);
          break;
        case SKIPPING:
          i = this.#skip(bytes, i, to);
          break;
        case SKIPPING_TEXT:
          i = this.#skipText(bytes, i, to);
          break;
        default:
          // After the value at the root.
          return this.#break(i);
      }
    }
    return to;
  }

  #break(i: number): number {
    this.#state = BROKEN;
    return i;
  }

  /** After a comma. */
  #next(): void {
    const at = this.#depth - 1;
    if (this.#isList[at] === 1) {
      this.#node = this.#nodes[at]!.item;
      this.#state = VALUE;
    } else this.#state = NAME;
  }

  /** The list or object around ends. */
  #leave(): void {
    const node = this.#nodes[--this.#depth]!;
    if ((node.take & TAKE.bounds) !== 0) this.#listener.ends(node.slot);
    this.#ended();
  }

  #ended(): void {
    this.#state = this.#isStopped ? BROKEN : this.#depth === 0 ? DONE : AFTER;
  }

  /** A value begins with `byte` at index `i`. Returns the index from which it is read on. */
  #beginValue(bytes: Buffer, byte: number, i: number, to: number): number {
    const node = this.#node;
    const take = node === undefined ? 0 : node.take;
    this.#isRaw = (take & TAKE.raw) !== 0;
    this.#held.length = 0;
    if (byte === QUOTE) {
      this.#textEnd.begin();
      this.#hasText = false;
      if (this.#isRaw) {
        this.#skipped = 0;
        this.#hasContent = true;
        this.#state = SKIPPING;
        return i;
      }
      this.#state = IN_TEXT;
      return this.#text(bytes, i + 1, to);
    }
    const isList = byte === OPEN_LIST;
    if (isList || byte === OPEN_OBJECT) {
      const isWanted = !this.#isRaw && (isList ? node?.item : node?.keys) !== undefined;
      if (isWanted && this.#depth < MAX_DEPTH) {
        this.#nodes[this.#depth] = node;
        this.#isList[this.#depth++] = isList ? 1 : 0;
        if ((node!.take & TAKE.bounds) !== 0) this.#listener.begins(node!.slot);
        this.#node = isList ? node!.item : undefined;
        this.#state = isList ? FIRST_ITEM : FIRST_NAME;
        return i + 1;
      }
      this.#skipped = 0;
      this.#hasContent = false;
      this.#state = SKIPPING;
      return i;
    }
    // A byte order mark before the text.
    if (BEGINS_SCALAR[byte] === 0) return this.#depth === 0 && BOM.has(byte) ? i + 1 : this.#break(i);
    this.#value = 0;
    this.#first = byte;
    this.#state = IN_SCALAR;
    return this.#scalar(bytes, i, to);
  }

  /** Reads a name from `i` on, which is after its quote. */
  #name(bytes: Buffer, i: number, to: number): number {
    const end = this.#textEnd.find(bytes, i, to);
    const isSplit = this.#state === IN_NAME;
    const held = this.#held;
    if (end === -1) {
      if (!isSplit) held.length = 0;
      held.push(bytes, i, to);
      this.#state = IN_NAME;
      return to;
    }
    const around = this.#nodes[this.#depth - 1]!;
    if (isSplit) held.push(bytes, i, end);
    if (!isSplit) this.#node = anyKeyOf(around, bytes, i, end);
    else if (held.length > MAX_HELD_BYTES) this.#node = undefined;
    else this.#node = anyKeyOf(around, held.bytes, 0, held.length);
    this.#state = BEFORE_COLON;
    return end + 1;
  }

  /** Reads a string from `i` on, which is after its quote. */
  #text(bytes: Buffer, i: number, to: number): number {
    const node = this.#node;
    const end = this.#textEnd.find(bytes, i, to);
    const take = node === undefined ? 0 : node.take;
    if (end === -1) {
      if (to > i) this.#hasText = true;
      if ((take & TAKE.text) !== 0) this.#held.push(bytes, i, to);
      return to;
    }
    if ((take & TAKE.filled) !== 0 && (this.#hasText || end > i)) this.#listener.filled(node!.slot);
    if ((take & TAKE.text) !== 0) {
      if (!this.#hasText) this.#listener.text(node!.slot, bytes, i, Math.min(end, i + MAX_HELD_BYTES));
      else {
        this.#held.push(bytes, i, end);
        this.#listener.text(node!.slot, this.#held.bytes, 0, this.#held.kept);
      }
    }
    this.#ended();
    return end + 1;
  }

  #scalar(bytes: Buffer, from: number, to: number): number {
    let i = from;
    let value = this.#value;
    while (i < to && ENDS_SCALAR[bytes[i]!] === 0) {
      const digit = bytes[i++]! - 0x30;
      // NaN: not a whole number.
      value = digit >= 0 && digit <= 9 ? value * 10 + digit : NaN;
    }
    const node = this.#node;
    const isNumber = node !== undefined && (node.take & TAKE.number) !== 0;
    if (this.#isRaw || (isNumber && (i === to || this.#held.length > 0))) this.#held.push(bytes, from, i);
    this.#value = value;
    if (i === to) return to;
    if (node !== undefined) {
      const { take, slot } = node;
      const first = this.#first;
      if (isNumber) {
        const isHeld = this.#held.length > 0;
        const count = !Number.isNaN(value)
          ? value
          : isHeld
            ? wholeNumber(this.#held.bytes, 0, this.#held.length)
            : wholeNumber(bytes, from, i);
        if (Number.isSafeInteger(count)) this.#listener.number(slot, count);
      }
      // `true` and `false`.
      if ((take & TAKE.flag) !== 0 && (first === 0x74 || first === 0x66))
        this.#listener.flag(slot, first === 0x74);
      // Not `null`.
      if (first !== 0x6e) this.#giveRaw(node);
    }
    this.#ended();
    return i;
  }

  /** Looks for the end of a value that is skipped: a list, an object, or a string that is taken as it stands. */
  #skip(bytes: Buffer, from: number, to: number): number {
    let i = from;
    let quiet = i + FAR;
    while (i < to) {
      const byte = bytes[i]!;
      if (STRUCTURE[byte] === 0) {
        if (!this.#hasContent && byte > SPACE) this.#hasContent = true;
        if (++i !== quiet) continue;
        if (!this.#hasContent) {
          quiet = i + FAR;
          continue;
        }
        if (!this.#isSearching) far.reset();
        this.#isSearching = true;
        i = far.find(bytes, i, to);
        continue;
      }
      quiet = i + FAR;
      if (byte === QUOTE) {
        if (this.#isRaw) this.#held.push(bytes, from, i + 1);
        this.#hasContent = true;
        this.#textEnd.begin();
        this.#state = SKIPPING_TEXT;
        return i + 1;
      }
      if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        if (this.#skipped++ > 0) this.#hasContent = true;
      } else if (--this.#skipped === 0) {
        i++;
        if (this.#isRaw) this.#held.push(bytes, from, i);
        this.#skippedValue();
        return i;
      }
      i++;
    }
    if (this.#isRaw) this.#held.push(bytes, from, to);
    return to;
  }

  #skipText(bytes: Buffer, from: number, to: number): number {
    const end = this.#textEnd.find(bytes, from, to);
    if (this.#isRaw) this.#held.push(bytes, from, end === -1 ? to : end + 1);
    if (end === -1) return to;
    this.#state = SKIPPING;
    if (this.#skipped === 0) this.#skippedValue();
    return end + 1;
  }

  #skippedValue(): void {
    const node = this.#node;
    if (node !== undefined) {
      if ((node.take & TAKE.filled) !== 0 && this.#hasContent) this.#listener.filled(node.slot);
      this.#giveRaw(node);
    }
    this.#ended();
  }

  #giveRaw(node: SkimNode): void {
    if (this.#isRaw) this.#listener.raw(node.slot, this.#held.text);
  }
}

/** One for all: it is used during one call of `push`. */
const far = new FarStructure();
