// Reads a few values of a JSON text while its bytes pass, without keeping or parsing the rest. Hot path.
// Invariant: the same bytes give the same values at every split. Of a text at most MAX_HELD_BYTES are copied.
// Every byte is looked at once; what cannot hold a wanted value is only searched for its end.
// It accepts some texts that are not JSON, such as wrong words (`nul`) and control characters in strings.
import { indexOfByte } from './byte-search.ts';
import { parsedJson } from './json-values.ts';
import { jsonText } from './text-cache.ts';

/** What is done with a value. A sum of these. */
export const TAKE = {
  /** A string is given to `text`. */
  text: 1,
  /** A whole number of 0 or more, also if it is written as `12.0` or `1e3`, is given to `number`. */
  number: 2,
  /** A string, list or object that is not empty is given to `filled`. */
  filled: 4,
  /** Any value but null is given to `raw`, as it stands. */
  raw: 8,
  /** `true` and `false` are given to `flag`. */
  flag: 16,
  /** The begin and the end of an object are given to `begins` and `ends`. */
  bounds: 32,
} as const;

/** A value that is wanted, or that holds wanted ones. */
export interface SkimNode {
  /** Sum of TAKE. */
  readonly take: number;
  /** Number that the listener gets with the value. */
  readonly slot: number;
  /** Of an object: its wanted members, by the length of their names. */
  readonly keys: readonly (readonly SkimKey[] | undefined)[] | undefined;
  /** Of a list: its items. */
  readonly item: SkimNode | undefined;
}

interface SkimKey {
  readonly name: Uint8Array;
  readonly node: SkimNode;
}

/** Gets the wanted values in the order of the text. bytes[from, to) are only borrowed. */
export interface SkimListener {
  /** What stands between the quotes of a string; its first 4,096 bytes if it is longer. It may have escapes. */
  text(slot: number, bytes: Buffer, from: number, to: number): void;
  number(slot: number, value: number): void;
  flag(slot: number, value: boolean): void;
  filled(slot: number): void;
  /** `json` is empty if the value is longer than 4,096 bytes. */
  raw(slot: number, json: string): void;
  begins(slot: number): void;
  ends(slot: number): void;
}

/** Describes a value. `keys`: wanted members of an object. */
export function skim(
  take = 0,
  slot = 0,
  keys?: Readonly<Record<string, SkimNode>>,
  item?: SkimNode,
): SkimNode {
  if (keys === undefined) return { take, slot, keys: undefined, item };
  const byLength: (SkimKey[] | undefined)[] = [];
  for (const [name, node] of Object.entries(keys))
    (byLength[name.length] ??= []).push({ name: Buffer.from(name), node });
  // Without holes, which are slower to read.
  return { take, slot, keys: Array.from(byLength), item };
}

/** Of a string or a number that is split, and of a raw value, at most this much is kept. */
const MAX_HELD_BYTES = 4096;
/** Wanted values are not nested deeper. */
const MAX_DEPTH = 8;
/** Bytes that are looked at one by one before the end is searched for. */
const NEAR = 24;
const FAR = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

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

/** 1: a byte of a string that is neither a quote nor a backslash. */
const PLAIN = new Uint8Array(256).fill(1);
PLAIN[QUOTE] = PLAIN[BACKSLASH] = 0;
/** 1: a byte that ends a number, `true`, `false` or `null`. */
const ENDS_SCALAR = new Uint8Array(256);
for (const end of [COMMA, CLOSE_LIST, CLOSE_OBJECT, SPACE, 0x09, LF, CR]) ENDS_SCALAR[end] = 1;
/** 1: a byte that begins a number, `true`, `false` or `null`. */
const BEGINS_SCALAR = new Uint8Array(256);
for (const one of '-0123456789tfn') BEGINS_SCALAR[one.charCodeAt(0)] = 1;
/** 1: quotes and brackets. */
const STRUCTURE = new Uint8Array(256);
for (const one of [QUOTE, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT]) STRUCTURE[one] = 1;

const BOM = [0xef, 0xbb, 0xbf];
const NOTHING = Buffer.alloc(0);
const LINE_END = Buffer.from('\n');

export class JsonSkimmer {
  readonly #listener: SkimListener;
  #state = VALUE;
  /** Node of the value that comes next or is being read; undefined if it is not wanted. */
  #node: SkimNode | undefined;
  /** Nodes of the lists and objects around it; `isList` by depth. */
  readonly #nodes: (SkimNode | undefined)[] = new Array<undefined>(MAX_DEPTH).fill(undefined);
  readonly #isList = new Uint8Array(MAX_DEPTH);
  #depth = 0;
  /** Lists and objects that are open below the one that is skipped, with itself. */
  #skipped = 0;
  /** The container that is skipped has had something in it. */
  #hasContent = false;
  /** The bytes so far of a string end with an open escape. */
  #isEscaped = false;
  /** A string before this piece was not empty. */
  #hasText = false;
  #value = 0;
  #first = 0;
  #isRaw = false;
  /** `far` knows these bytes. */
  #isSearching = false;
  #held = NOTHING;
  #length = 0;

  constructor(listener: SkimListener) {
    this.#listener = listener;
  }

  /** Begins a text. Only an object at its root has wanted values. */
  begin(root: SkimNode): void {
    this.#state = VALUE;
    this.#node = root;
    this.#depth = 0;
    this.#length = 0;
    this.#isRaw = false;
    this.#isEscaped = false;
  }

  /** Begins in the middle: in an object as `root` describes it, before a name. */
  beginBeforeName(root: SkimNode): void {
    this.begin(root);
    this.#state = NAME;
    this.#nodes[0] = root;
    this.#isList[0] = 0;
    this.#depth = 1;
  }

  /** The value at the root has ended. */
  get isWhole(): boolean {
    return this.#state === DONE;
  }

  /** A line end is between the bytes so far and the next ones. */
  endLine(): void {
    const state = this.#state;
    if (state === IN_SCALAR) this.#scalar(LINE_END, 0, 1);
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
    this.#state = this.#depth === 0 ? DONE : AFTER;
  }

  /** A value begins with `byte` at index `i`. Returns the index from which it is read on. */
  #beginValue(bytes: Buffer, byte: number, i: number, to: number): number {
    const node = this.#node;
    const take = node === undefined ? 0 : node.take;
    this.#isRaw = (take & TAKE.raw) !== 0;
    this.#length = 0;
    if (byte === QUOTE) {
      this.#isEscaped = false;
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
    if (BEGINS_SCALAR[byte] === 0) {
      // A byte order mark before the text.
      return this.#depth === 0 && BOM.includes(byte) ? i + 1 : this.#break(i);
    }
    this.#value = 0;
    this.#first = byte;
    this.#state = IN_SCALAR;
    return this.#scalar(bytes, i, to);
  }

  /** Reads a name from `i` on, which is after its quote. */
  #name(bytes: Buffer, i: number, to: number): number {
    const end = this.#endOfText(bytes, i, to);
    const isSplit = this.#state === IN_NAME;
    if (end === -1) {
      if (!isSplit) this.#length = 0;
      this.#hold(bytes, i, to);
      this.#state = IN_NAME;
      return to;
    }
    const around = this.#nodes[this.#depth - 1]!;
    if (isSplit) {
      this.#hold(bytes, i, end);
      this.#node = this.#length > MAX_HELD_BYTES ? undefined : anyKeyOf(around, this.#held, 0, this.#length);
    } else this.#node = anyKeyOf(around, bytes, i, end);
    this.#state = BEFORE_COLON;
    return end + 1;
  }

  /** Reads a string from `i` on, which is after its quote. */
  #text(bytes: Buffer, i: number, to: number): number {
    const node = this.#node;
    const end = this.#endOfText(bytes, i, to);
    const take = node === undefined ? 0 : node.take;
    if (end === -1) {
      if (to > i) this.#hasText = true;
      if ((take & TAKE.text) !== 0) this.#hold(bytes, i, to);
      return to;
    }
    if ((take & TAKE.filled) !== 0 && (this.#hasText || end > i)) this.#listener.filled(node!.slot);
    if ((take & TAKE.text) !== 0) {
      if (!this.#hasText) this.#listener.text(node!.slot, bytes, i, Math.min(end, i + MAX_HELD_BYTES));
      else {
        this.#hold(bytes, i, end);
        this.#listener.text(node!.slot, this.#held, 0, Math.min(this.#length, MAX_HELD_BYTES));
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
    if (this.#isRaw || (isNumber && (i === to || this.#length > 0))) this.#hold(bytes, from, i);
    this.#value = value;
    if (i === to) return to;
    if (node !== undefined) {
      const { take, slot } = node;
      const first = this.#first;
      if (isNumber) {
        const isHeld = this.#length > 0;
        const count = !Number.isNaN(value)
          ? value
          : isHeld
            ? wholeNumber(this.#held, 0, this.#length)
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
        if (this.#isRaw) this.#hold(bytes, from, i + 1);
        this.#hasContent = true;
        this.#isEscaped = false;
        this.#state = SKIPPING_TEXT;
        return i + 1;
      }
      if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        if (this.#skipped++ > 0) this.#hasContent = true;
      } else if (--this.#skipped === 0) {
        i++;
        if (this.#isRaw) this.#hold(bytes, from, i);
        this.#skippedValue();
        return i;
      }
      i++;
    }
    if (this.#isRaw) this.#hold(bytes, from, to);
    return to;
  }

  #skipText(bytes: Buffer, from: number, to: number): number {
    const end = this.#endOfText(bytes, from, to);
    if (this.#isRaw) this.#hold(bytes, from, end === -1 ? to : end + 1);
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
    if (!this.#isRaw) return;
    const isShort = this.#length <= MAX_HELD_BYTES;
    this.#listener.raw(node.slot, isShort ? this.#held.toString('utf8', 0, this.#length) : '');
  }

  /** Index of the quote that ends a string, or -1: it goes on after `to`. */
  #endOfText(bytes: Buffer, from: number, to: number): number {
    let i = from;
    if (this.#isEscaped) {
      this.#isEscaped = false;
      i++;
    }
    const near = Math.min(to, i + NEAR);
    while (i < near) {
      if (PLAIN[bytes[i]!] === 1) i++;
      else if (bytes[i] === QUOTE) return i;
      else i += 2;
    }
    // From here on quotes are searched for, and the backslashes before them counted.
    let start = i;
    while (i < to) {
      const end = indexOfByte(bytes, QUOTE, i, to);
      let before = end;
      while (before > start && bytes[before - 1] === BACKSLASH) before--;
      const isEscaped = ((end - before) & 1) === 1;
      if (end === to) {
        this.#isEscaped = isEscaped;
        return -1;
      }
      if (!isEscaped) return end;
      i = start = end + 1;
    }
    // An escape was the last byte.
    this.#isEscaped = i > to;
    return -1;
  }

  /** Copies bytes[from, to) to what is held, as far as there is room. */
  #hold(bytes: Buffer, from: number, to: number): void {
    const before = this.#length;
    this.#length += to - from;
    if (before >= MAX_HELD_BYTES) return;
    const length = Math.min(this.#length, MAX_HELD_BYTES);
    if (length > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(MAX_HELD_BYTES, Math.max(256, 2 * length)));
      this.#held.copy(larger, 0, 0, before);
      this.#held = larger;
    }
    bytes.copy(this.#held, before, from, from + length - before);
  }
}

/** The node of a member's name, if it is wanted. */
function keyOf({ keys }: SkimNode, bytes: Buffer, from: number, to: number): SkimNode | undefined {
  const wanted = to - from < keys!.length ? keys![to - from] : undefined;
  if (wanted !== undefined)
    next: for (const { name, node } of wanted) {
      for (let i = 0; i < name.length; i++) if (name[i] !== bytes[from + i]) continue next;
      return node;
    }
  return undefined;
}

/** As `keyOf`, of a name that may have escapes. */
function anyKeyOf(around: SkimNode, bytes: Buffer, from: number, to: number): SkimNode | undefined {
  // An escape is at most six times as long as its character.
  if (to - from > 6 * around.keys!.length || indexOfByte(bytes, BACKSLASH, from, to) === to)
    return keyOf(around, bytes, from, to);
  const name = Buffer.from(jsonText(bytes, from, to));
  return keyOf(around, name, 0, name.length);
}

/** A number of 0 or more with a fraction or an exponent; NaN if it is not a whole one. */
function wholeNumber(bytes: Buffer, from: number, to: number): number {
  const first = bytes[from]!;
  if (first < 0x30 || first > 0x39 || to - from > MAX_HELD_BYTES) return NaN;
  const value = parsedJson(bytes.latin1Slice(from, to));
  return typeof value === 'number' ? value : NaN;
}

const STRUCTURES = [QUOTE, CLOSE_LIST, CLOSE_OBJECT, OPEN_LIST, OPEN_OBJECT];

/** Finds quotes and brackets that are far away. Each is searched for at most once from the same place. */
class FarStructure {
  /** Where each comes next, if that is still ahead. */
  readonly #next = new Int32Array(STRUCTURES.length);

  /** Other bytes are read. */
  reset(): void {
    this.#next.fill(-1);
  }

  /** Index of the next quote or bracket in bytes[from, to), or `to`. */
  find(bytes: Buffer, from: number, to: number): number {
    let nearest = to;
    for (let one = 0; one < STRUCTURES.length; one++) {
      let at = this.#next[one]!;
      if (at < from) {
        this.#next[one] = at = indexOfByte(bytes, STRUCTURES[one]!, from, to);
      }
      if (at < nearest) nearest = at;
    }
    return nearest;
  }
}

/** One for all: it is used during one call of `push`. */
const far = new FarStructure();
