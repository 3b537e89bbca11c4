// Bytes as hexadecimal digits and characters, sixteen a line, as hexdump writes them.
// Invariant: pure; one line for each sixteen bytes.

const PER_LINE = 16;

/** Bytes of a base64 text. */
export const bytesOfBase64 = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

/** Lines of `00000010  48 65 6c …  |Hel…|` for the bytes from `from` to `to`. */
export function hexLines(bytes: Uint8Array, from: number, to: number): string {
  const lines: string[] = [];
  for (let at = from; at < Math.min(to, bytes.length); at += PER_LINE) {
    const part = bytes.subarray(at, Math.min(at + PER_LINE, to));
    const digits = Array.from(part, (one) => one.toString(16).padStart(2, '0'));
    const shown = Array.from(part, (one) => (one >= 0x20 && one < 0x7f ? String.fromCharCode(one) : '.'));
    lines.push(
      `${at.toString(16).padStart(8, '0')}  ${digits.slice(0, 8).join(' ').padEnd(23)}  ${digits.slice(8).join(' ').padEnd(23)}  |${shown.join('')}|`,
    );
  }
  return lines.join('\n');
}
