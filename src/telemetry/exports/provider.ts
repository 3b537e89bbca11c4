// The kind of API that a request to a language model was for, as its path shows.
// Invariant: a path that several providers use gives the one that defined it.

/** Ends of paths, by the provider. */
const PROVIDERS: Readonly<Record<string, readonly string[]>> = {
  anthropic: ['/v1/messages'],
  openai: ['/chat/completions', '/completions', '/embeddings', '/responses'],
  ollama: ['/api/chat', '/api/generate', '/api/embed'],
  google: [':generateContent', ':streamGenerateContent', ':embedContent'],
};

/** Patterns of the paths of a provider, for queries. Empty: it has none. */
export const providerPaths = (provider: string): readonly string[] =>
  Object.hasOwn(PROVIDERS, provider) ? PROVIDERS[provider]!.map((end) => `*${end}`) : [];

/** Paths that are kept with their providers. */
const MAX_KNOWN = 1024;
const known = new Map<string, string | null>();

/** `null`: the path is of none of the known APIs. */
export function providerOf(path: string): string | null {
  let provider = known.get(path);
  if (provider === undefined) {
    provider =
      Object.keys(PROVIDERS).find((name) => PROVIDERS[name]!.some((end) => path.endsWith(end))) ?? null;
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(path, provider);
  }
  return provider;
}
