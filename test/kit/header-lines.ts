// Header lines for assertions.

/** Header lines, each with its line end, as pairs of name and trimmed value. */
export const linePairs = (lines: string): [string, string][] =>
  lines
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => [
      line.slice(0, line.indexOf(':')),
      line.slice(line.indexOf(':') + 1).replace(/^[ \t]+|[ \t]+$/g, ''),
    ]);
