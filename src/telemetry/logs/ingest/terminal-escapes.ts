// What a terminal acts on, taken out of text: colours, cursor moves, bells, NUL.
// Must stay true: text that came through here cannot steer the terminal of whoever reads it; all else is as it was.

const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(7);

/** Any control character but tab and line feed. Written as "not (not a control character)" to leave those two out. */
const CONTROL = /[^\P{Cc}\t\n]/u;
const CONTROLS = /[^\P{Cc}\t\n]/gu;

/**
 * CSI (colours and moves), OSC (titles and links, ended by BEL or ESC \), and two- or three-character sequences
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
 * Text without escape sequences, other control characters as their pictures (NUL is ␀), `\r\n` as `\n`, and without
 * lone surrogates. Tab and line feed stay.
 */
export function printable(text: string): string {
  if (!CONTROL.test(text)) return text.isWellFormed() ? text : text.toWellFormed();
  return text
    .replace(SEQUENCES, '')
    .replaceAll('\r\n', '\n')
    .replace(CONTROLS, (control) => {
      const code = control.charCodeAt(0);
      // U+2400 to U+241F are the pictures of U+0000 to U+001F; those above have none.
      return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd';
    })
    .toWellFormed();
}
