// What may be in a line, found in one search of its bytes, so that expressions run only over the lines that need them.
// Invariant: a line that has one of these things has its bit. A line with a bit need not have it.
import { RULE, SECRET_WORDS } from './secret-triggers.ts';
import { WordScan } from './word-scan.ts';

/** Bits besides those of RULE (secret-triggers.ts). */
export const MARK = {
  /** Ids of requests and traces (parsed-line.ts). */
  ids: 0x100,
  /** The header or a stack frame of a traceback of Python (line-prefix.ts). */
  traceback: 0x200,
  /** A PEM private key: its text has the word "private". */
  key: RULE.pem,
} as const;

const scan = new WordScan([
  ...SECRET_WORDS,
  // request_id, request-id, requestid
  { word: 't_id', bits: MARK.ids },
  { word: 't-id', bits: MARK.ids },
  { word: 'requestid', bits: MARK.ids },
  // trace_id, trace-id, traceid
  { word: 'e_id', bits: MARK.ids },
  { word: 'e-id', bits: MARK.ids },
  { word: 'ceid', bits: MARK.ids },
  // `Traceback (most recent call last):` and `  File "`
  { word: 't):', bits: MARK.traceback },
  { word: 'file "', bits: MARK.traceback },
]);

/** The marks of a line in UTF-8, from `from` to before `to`. */
export const marksIn = (bytes: Uint8Array, from: number, to: number): number => scan.bitsIn(bytes, from, to);

/** The marks of a text. */
export const marksOf = (text: string): number => scan.bitsOf(text);
