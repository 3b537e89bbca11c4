// The form of a JSON text: its bytes, and the places of its strings and numbers. A text that differs in these places alone
// is read far faster than another one (json-skimmer.ts). Hot path.
// Invariant: `match` accepts a text only if JsonSkimmer gives the same values for it. The time is in proportion to the
// text.
import { BACKSLASH, PLAIN, QUOTE, SPACE, tableOf } from './json-bytes.ts';
import { MAX_HELD_BYTES } from './held-bytes.ts';
import type { SkimListener } from './skim-node.ts';
import { TextEnd } from './text-end.ts';

/** Strings and numbers of a text at most. */
export const MAX_PLACES = 64;
/** Numbers with more digits may not be exact. */
const MAX_DIGITS = 15;
/** A longer string of a line is left to JsonSkimmer, which searches in longer steps. */
const MAX_LINE_STRING = 512;

/** What a place has: a string; a number that is wanted; a number that is not. */
export const PLACE = { text: 0, count: 1, number: 2 } as const;

/** What the listener is told: of the string or number of a place, or the same of every text of the form. */
export const TELL = {
  text: 0,
  filledText: 1,
  count: 2,
  filled: 3,
  yes: 4,
  no: 5,
  begins: 6,
  ends: 7,
} as const;

/** What a form is made of. */
export interface FormParts {
  /** The text, which has no control characters. Strings may be missing. */
  readonly text: readonly number[];
  /** Begin and end of each place in it, and its PLACE. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly kinds: readonly number[];
  /** In threes: TELL, a slot, and the number of a place. */
  readonly calls: readonly number[];
}

/** 1: a byte of a string that is neither a quote, nor a backslash, nor a control character. */
const SIMPLE = PLAIN.map((isPlain, byte) => (byte < SPACE ? 0 : isPlain));
/** 1: a byte of a number. */
const OF_NUMBER = tableOf(Array.from('0123456789+-.eE', (one) => one.charCodeAt(0)));

/** What the listener is told of a place: nothing; only whether it has a string; its string or number. */
const TOLD = { nothing: 0, filled: 1, value: 2 } as const;

/** Where the places of the text are that was matched last. */
const starts = new Int32Array(MAX_PLACES);
const ends = new Int32Array(MAX_PLACES);
const textEnd = new TextEnd();

/** To read several bytes at a time. Most texts are in the buffer of the one before. */
let lastBytes: Buffer | undefined;
let lastView: DataView = new DataView(new ArrayBuffer(0));

function viewOf(bytes: Buffer): DataView {
  if (lastBytes !== bytes) {
    lastBytes = bytes;
    lastView = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  return lastView;
}

export class JsonForm {
  readonly #text: Uint8Array;
  readonly #view: DataView;
  readonly #starts: Uint16Array;
  readonly #ends: Uint16Array;
  readonly #kinds: Uint8Array;
  readonly #calls: Uint8Array;
  /** TOLD of each place. */
  readonly #told: Uint8Array;
  /** Of all texts of this form for which `match` set this, the listener is told the same. */
  isUsual = false;

  constructor({ text, starts: from, ends: until, kinds, calls }: FormParts) {
    this.#text = Uint8Array.from(text);
    this.#view = new DataView(this.#text.buffer);
    this.#starts = Uint16Array.from(from);
    this.#ends = Uint16Array.from(until);
    this.#kinds = Uint8Array.from(kinds);
    this.#calls = Uint8Array.from(calls);
    this.#told = new Uint8Array(kinds.length);
    for (let call = 0; call < calls.length; call += 3) {
      const told = calls[call] === TELL.filledText ? TOLD.filled : TOLD.value;
      if (calls[call]! <= TELL.count) this.#told[calls[call + 2]!] = told;
    }
  }

  /**
   * Returns the index behind the text that begins at bytes[from]; -1 if it has another form or ends after `to`. `isLine`: it
   * must end before a line end.
   */
  match(bytes: Buffer, from: number, to: number, isLine: boolean): number {
    const text = this.#text;
    const size = text.length;
    const own = this.#view;
    const view = viewOf(bytes);
    const places = this.#starts.length;
    let isUsual = true;
    let place = 0;
    let at = 0;
    let i = from;
    for (;;) {
      const stop = Math.min(size, at + to - i);
      const shift = i - at;
      at = firstDifference(own, view, at, shift, stop);
      while (at < stop && text[at] === bytes[at + shift]) at++;
      // Places that are the same.
      let end = size;
      while (place < places && (end = this.#ends[place]!) < at) {
        // A string that is not kept is empty here.
        if (this.#told[place] === TOLD.filled) isUsual = false;
        starts[place] = this.#starts[place]! + shift;
        ends[place++] = end + shift;
      }
      if (at === size) {
        this.isUsual = isUsual;
        return at + shift;
      }
      if (place === places || this.#starts[place]! > at) return -1;
      // A place that differs: it is read from its begin.
      const start = (starts[place] = this.#starts[place]! + shift);
      const kind = this.#kinds[place]!;
      i = kind === PLACE.text ? endOfText(bytes, start, to, isLine) : endOfNumber(kind, bytes, start, to);
      if (i === -1) return -1;
      const told = this.#told[place]!;
      if (told === TOLD.value || (told === TOLD.filled && i === start)) isUsual = false;
      ends[place++] = i;
      at = end;
    }
  }

  /** Tells the values of the text that was matched last, as JsonSkimmer does. */
  tell(bytes: Buffer, listener: SkimListener): void {
    const calls = this.#calls;
    for (let call = 0; call < calls.length; call += 3) {
      const slot = calls[call + 1]!;
      const place = calls[call + 2]!;
      const start = starts[place]!;
      const end = ends[place]!;
      switch (calls[call]) {
        case TELL.text:
          listener.text(slot, bytes, start, Math.min(end, start + MAX_HELD_BYTES));
          break;
        case TELL.filledText:
          if (end > start) listener.filled(slot);
          break;
        case TELL.count:
          listener.number(slot, countOf(bytes, start, end));
          break;
        case TELL.filled:
          listener.filled(slot);
          break;
        case TELL.yes:
          listener.flag(slot, true);
          break;
        case TELL.no:
          listener.flag(slot, false);
          break;
        case TELL.begins:
          listener.begins(slot);
          break;
        default:
          listener.ends(slot);
      }
    }
  }
}

/**
 * Compares eight bytes at a time from `from` on with those `shift` behind in `other`. Returns the index of the first eight
 * that differ; if there are none, that of the last few before `stop`. V8 compiles it well only as a function of its own.
 */
function firstDifference(own: DataView, other: DataView, from: number, shift: number, stop: number): number {
  const last = stop - 8;
  let at = from;
  while (
    at <= last &&
    ((own.getInt32(at, true) ^ other.getInt32(at + shift, true)) |
      (own.getInt32(at + 4, true) ^ other.getInt32(at + shift + 4, true))) ===
      0
  )
    at += 8;
  return at;
}

/** Index of the quote that ends the string from `start` on, or -1. */
function endOfText(bytes: Buffer, start: number, to: number, isLine: boolean): number {
  if (!isLine) {
    textEnd.begin();
    return textEnd.find(bytes, start, to);
  }
  const most = Math.min(to, start + MAX_LINE_STRING);
  let i = start;
  while (i < most) {
    const byte = bytes[i]!;
    if (SIMPLE[byte] === 1) i++;
    else if (byte === QUOTE) return i;
    else if (byte !== BACKSLASH || i + 1 === most || bytes[i + 1]! < SPACE) return -1;
    else i += 2;
  }
  return -1;
}

/** Index behind the number from `start` on; -1 if it is none or does not end before `to`. */
function endOfNumber(kind: number, bytes: Buffer, start: number, to: number): number {
  let i = start;
  if (kind === PLACE.number) while (i < to && OF_NUMBER[bytes[i]!] === 1) i++;
  else while (i < to && bytes[i]! >= 0x30 && bytes[i]! <= 0x39) i++;
  const length = i - start;
  return length === 0 || i === to || (kind === PLACE.count && length > MAX_DIGITS) ? -1 : i;
}

function countOf(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) count = 10 * count + bytes[i]! - 0x30;
  return count;
}
