// Removes terminal escape sequences and control characters from text.
// Invariant: the result cannot control a terminal, and all other characters are unchanged.

const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(7);

/** Any control character except tab and line feed. Written as a double negation, to exclude those two. */
const CONTROL = /[^\P{Cc}\t\n]/u;
const CONTROLS = /[^\P{Cc}\t\n]/gu;

/**
 * CSI (colours, cursor moves), OSC (titles and links, ended by BEL or ESC \), and sequences of two or three characters
 * (ECMA-48). Runs of one class cannot begin inside each other, so matching is linear.
 */
const SEQUENCES = new RegExp(
  [
    `${ESC}\\[[0-?]*[ -/]*[@-~]`,
    `${ESC}\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)?`,
    `${ESC}[ -/]{1,2}[0-~]`,
    `${ESC}[0-Z\\\\^-~]`,
  ].join('|'),
  'g',
);

/**
 * Removes escape sequences and lone surrogates, replaces other control characters by their pictures (NUL by ␀), and
 * `\r\n` by `\n`. Tab and line feed stay.
 */
export function printable(text: string): string {
  if (!CONTROL.test(text)) return text.isWellFormed() ? text : text.toWellFormed();
  return text
    .replace(SEQUENCES, '')
    .replaceAll('\r\n', '\n')
    .replace(CONTROLS, (control) => {
      const code = control.charCodeAt(0);
      // U+2400 to U+241F are the pictures of U+0000 to U+001F. C1 controls have none.
      return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd';
    })
    .toWellFormed();
}
