// The kind of API that a request to a language model was for, as its path shows.
// Invariant: a path that several providers use gives the one that defined it.

/** End of a path → provider. */
const PROVIDERS: readonly (readonly [path: RegExp, provider: string])[] = [
  [/\/v1\/messages$/, 'anthropic'],
  [/\/(chat\/completions|completions|embeddings|responses)$/, 'openai'],
  [/\/api\/(chat|generate|embed)$/, 'ollama'],
  [/:(generateContent|streamGenerateContent|embedContent)$/, 'google'],
];

/** Paths that are kept with their providers. */
const MAX_KNOWN = 1024;
const known = new Map<string, string | null>();

/** `null`: the path is of none of the known APIs. */
export function providerOf(path: string): string | null {
  let provider = known.get(path);
  if (provider === undefined) {
    provider = PROVIDERS.find(([end]) => end.test(path))?.[1] ?? null;
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(path, provider);
  }
  return provider;
}
