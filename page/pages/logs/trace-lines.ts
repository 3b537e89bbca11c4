// The text of a record as lines, with the parts of a traceback told apart, and folded in the middle if it is long.
// Invariant: the parts of a line together are the line; pure functions of the text.

export type LinePart = readonly [kind: '' | 'fr' | 'fn' | 'ex', text: string];

const FRAME = /^(\s*File )("[^"]*")(, line \d+)(?:(, in )(.*))?$/;
const HEAD =
  /^\s*(?:Traceback \(most recent call last\):|During handling of the above|The above exception was)/;
/** `module.SomeError: text`, and the like. */
const ERROR = /^(?:[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Fault))\b/;

/** True if a text is a traceback of Python. */
export const isTraceback = (text: string): boolean => /^\s*Traceback \(most recent call last\):/m.test(text);

/** Lines of a text. Of a traceback the places, functions and the error have kinds. */
export function linesOf(text: string): readonly (readonly LinePart[])[] {
  const lines = text.replace(/\n$/, '').split('\n');
  if (!isTraceback(text)) return lines.map((line) => [['', line]]);
  let isError = false;
  return lines.map((line): readonly LinePart[] => {
    if (HEAD.test(line)) {
      isError = false;
      return [['fr', line]];
    }
    const frame = FRAME.exec(line);
    if (frame !== null) {
      isError = false;
      const [, file = '', path = '', at = '', inside, name = ''] = frame;
      return inside === undefined
        ? [
            ['', file],
            ['fn', path],
            ['', at],
          ]
        : [
            ['', file],
            ['fn', path],
            ['', at + inside],
            ['fn', name],
          ];
    }
    // The lines of an error's text follow it.
    isError = ERROR.test(line) || (isError && line !== '' && !/^\s/.test(line));
    return [[isError ? 'ex' : '', line]];
  });
}

/** Longer texts are folded. The beginning says what it is, and the end what went wrong. */
const SHOWN_LINES = 14;
const FIRST_LINES = 5;
const LAST_LINES = 8;

/** Which lines of a folded text are left out: from (inclusive) to (exclusive). */
export const foldedLines = (count: number): { readonly from: number; readonly to: number } | undefined =>
  count <= SHOWN_LINES ? undefined : { from: FIRST_LINES, to: count - LAST_LINES };
