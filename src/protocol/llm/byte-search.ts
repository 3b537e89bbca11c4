// Searches for a byte in a part of a buffer. Hot path.
// Invariant: the time is in proportion to the part, however long the buffer is.

/** Bytes behind the part that may be searched too. */
const BEHIND = 256;
/** A part of so many bytes is worth a view of its own. */
const WORTH_VIEW = 64;

/** Index of the first `byte` in bytes[from, to), or `to`. */
export function indexOfByte(bytes: Buffer, byte: number, from: number, to: number): number {
  const length = to - from;
  // The native search is faster, but it goes on to the end of the buffer.
  if (bytes.length - to <= BEHIND + 8 * length) {
    const at = bytes.indexOf(byte, from);
    return at === -1 || at > to ? to : at;
  }
  if (length >= WORTH_VIEW) {
    const at = bytes.subarray(from, to).indexOf(byte);
    return at === -1 ? to : from + at;
  }
  let i = from;
  while (i < to && bytes[i] !== byte) i++;
  return i;
}
