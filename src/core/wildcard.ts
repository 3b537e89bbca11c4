// Patterns with `*`. Invariant: the time is linear in the text, whatever the pattern. Hot path (paths of requests).

/** Tests whole texts against a pattern in which each `*` stands for any characters, none included. */
export function wildcard(pattern: string): (text: string) => boolean {
  const [start = '', ...parts] = pattern.split('*');
  const end = parts.pop();
  if (end === undefined) return (text) => text === start;
  return (text) => {
    if (!text.startsWith(start) || !text.endsWith(end)) return false;
    let at = start.length;
    // The first place where a part fits is the best one, since it leaves the most text to the parts behind it.
    for (const part of parts) {
      const found = text.indexOf(part, at);
      if (found === -1) return false;
      at = found + part.length;
    }
    return at <= text.length - end.length;
  };
}
