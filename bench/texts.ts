// Texts of the benchmarks: words, log lines, and JSON bodies of 1 KB.
// Invariant: the texts are the same in every run, and no two bodies are equal, so that they do not compress to nothing.

/** A generator of numbers from 0 to 1 (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const random = generator(1);

const letter = (): string => String.fromCharCode(97 + Math.floor(random() * 26));
/** Words of prompts: 500 of 3 to 9 letters. */
const PROMPT_WORDS = Array.from({ length: 500 }, () =>
  Array.from({ length: 3 + Math.floor(random() * 7) }, letter).join(''),
);
/** Words of log lines, which repeat more than prompts do. */
const LINE_WORDS =
  'load model weights shard tensor cuda memory batch token request queue latency prefill decode attention kernel stream buffer cache evict page allocate worker engine step scheduler gradient'.split(
    ' ',
  );

/** Random words with spaces between them, cut at a number of characters. */
function words(list: readonly string[], characters: number): string {
  let text = '';
  while (text.length < characters) text += `${list[Math.floor(random() * list.length)]!} `;
  return text.slice(0, characters);
}

/** Words of prompts with spaces between them. */
export const prose = (characters: number): string => words(PROMPT_WORDS, characters);

const BODIES = 64;
const bodies = (before: string, after: string): string[] =>
  Array.from(
    { length: BODIES },
    () => `${before}${words(PROMPT_WORDS, 1024 - before.length - after.length)}${after}`,
  );

/** Bodies of requests and of responses: JSON, 1,024 bytes each. */
export const requestBodies = (): string[] => bodies('{"model":"m","max_tokens":7,"prompt":"', '"}');
export const responseBodies = (): string[] =>
  bodies(
    '{"id":"cmpl-1","object":"text_completion","choices":[{"text":"',
    '","index":0,"finish_reason":"length"}],"usage":{"prompt_tokens":4,"completion_tokens":7,"total_tokens":11}}',
  );

/** Local time in the format of Python's logging. */
const asctime = (ms: number): string =>
  new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
    .toISOString()
    .slice(0, 23)
    .replace('T', ' ')
    .replace('.', ',');

/** A plain line of 120 bytes with its line feed, with the word `u` and `n`. */
export const plainLine = (ms: number, n: number): string => {
  const before = `${asctime(ms)} INFO u${n} `;
  return `${before}${words(LINE_WORDS, 119 - before.length)}\n`;
};

/** A JSON line of a Truss server, about 230 bytes. */
export const jsonLine = (ms: number, n: number, requestId: string): string =>
  `{"asctime":"${asctime(ms)}","levelname":"INFO","message":"${words(LINE_WORDS, 100)} u${n}","request_id":"${requestId}"}\n`;
