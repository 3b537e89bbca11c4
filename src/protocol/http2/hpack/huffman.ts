// Decodes the Huffman code of HPACK (RFC 7541 5.2 and appendix B), four bits at a time. Hot path.
// Invariant: a string that appendix B does not allow is refused: one with the symbol EOS, or with padding that is longer
// than 7 bits or not all ones.

/** Bits in the code of each byte, and of EOS at the end. */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const EOS = 256;

// The code is canonical: codes of one length count up with the symbols, and a longer code goes on from the shorter ones.
// So the lengths alone give the tree. A state is an inner node; state 0 is the root.
/** Per state, the node for bit 0 and for bit 1. A leaf is -(symbol + 1); 0 means none yet, since nothing leads to the root. */
const children: [number, number][] = [[0, 0]];

function plant(symbol: number, code: number, length: number): void {
  let state = 0;
  for (let shift = length - 1; shift > 0; shift--) {
    const node = children[state]!;
    const bit = (code >>> shift) & 1;
    if (node[bit] === 0) node[bit] = children.push([0, 0]) - 1;
    state = node[bit]!;
  }
  children[state]![code & 1] = -(symbol + 1);
}

function plantAll(): void {
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    code *= 2;
    for (const [symbol, its] of LENGTHS.entries()) if (its === length) plant(symbol, code++, length);
  }
}
plantAll();

/** A step yields a byte, in bits 0 to 7. */
const HAS_BYTE = 1 << 8;
/** A step meets EOS. */
const IS_REFUSED = 1 << 9;
/** Bits from here on: the next state. */
const STATE_SHIFT = 16;
/** What four bits do, at `state * 16 + bits`. No code is shorter than five bits, so they yield at most one byte. */
const steps = Int32Array.from({ length: children.length * 16 }, (_, i) => stepOf(i >> 4, i & 15));

function stepOf(state: number, bits: number): number {
  let at = state;
  let step = 0;
  for (let shift = 3; shift >= 0; shift--) {
    at = children[at]![(bits >> shift) & 1]!;
    if (at >= 0) continue;
    step |= at === -(EOS + 1) ? IS_REFUSED : HAS_BYTE | (-at - 1);
    at = 0;
  }
  return step | (at << STATE_SHIFT);
}

/** 1 for each state in which a string may end: after at most 7 ones since the last symbol. */
const mayEnd = endStates();

function endStates(): Uint8Array {
  const states = new Uint8Array(children.length);
  for (let state = 0, bits = 0; bits <= 7; bits++, state = children[state]![1]) states[state] = 1;
  return states;
}

/** Most bytes that `length` bytes can decode to. */
export const maxDecodedLength = (length: number): number => Math.floor((length * 8) / 5);

/** Decodes `bytes` from `from` to `to` into `out`. Returns the number of bytes, or -1 if the string is malformed. */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number, out: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    let step = steps[state * 16 + (byte >> 4)]!;
    if ((step & (HAS_BYTE | IS_REFUSED)) !== 0) {
      if ((step & IS_REFUSED) !== 0) return -1;
      out[length++] = step & 0xff;
    }
    step = steps[(step >> STATE_SHIFT) * 16 + (byte & 15)]!;
    if ((step & (HAS_BYTE | IS_REFUSED)) !== 0) {
      if ((step & IS_REFUSED) !== 0) return -1;
      out[length++] = step & 0xff;
    }
    state = step >> STATE_SHIFT;
  }
  return mayEnd[state] === 1 ? length : -1;
}
