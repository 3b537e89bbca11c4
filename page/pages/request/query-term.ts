// A condition of the query language for a field with a value.
// Invariant: pure; the condition finds records with exactly this value.

/** `metadata.tier:pro`, with quotes where the value needs them. `path`: a field, an attribute or a path in one. */
export function queryTerm(path: string, value: string | number | boolean): string {
  const text = String(value);
  const isPlain = /^[A-Za-z0-9_][A-Za-z0-9_./@-]*$/.test(text) && !/^(?:AND|OR|NOT)$/i.test(text);
  return `${path}:${isPlain ? text : JSON.stringify(text)}`;
}
