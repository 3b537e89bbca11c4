// How a judge is asked for one of the choices, and how its answer is read.
// Asked in words, not by a tool call: all servers that speak OpenAI's API understand words, and not all have tools.
// Invariant: an answer that names no choice, or more than one, is never taken for one.

/** The end of the prompt. */
export function choiceInstruction(choices: readonly string[], explains: boolean): string {
  const list = choices.map((choice) => JSON.stringify(choice)).join(', ');
  return explains
    ? `First explain your reasoning in a few sentences. Then write one of these choices alone on the last line: ${list}.`
    : `Answer with one of these choices and nothing else: ${list}.`;
}

export interface JudgeAnswer {
  readonly choice: string;
  /** What is above the line with the choice; may be empty. */
  readonly rationale: string;
}

/** Reads the choice from the last line of an answer; `undefined` if it is not clear. */
export function readChoice(answer: string, choices: readonly string[]): JudgeAnswer | undefined {
  const lines = answer.trimEnd().split('\n');
  const last = lines.pop()!;
  const choice =
    exactly(plain(last), choices) ??
    exactly(plain(last.replace(/^.*:/, '')), choices) ??
    within(last, choices);
  return choice === undefined ? undefined : { choice, rationale: lines.join('\n').trim() };
}

/** Without the signs that models put around words. */
const plain = (text: string): string => text.replace(/^[\s*_`"'#([>-]+|[\s*_`"'.!)\]]+$/g, '');

function exactly(text: string, choices: readonly string[]): string | undefined {
  return (
    choices.find((choice) => choice === text) ??
    only(choices.filter((choice) => choice.toLowerCase() === text.toLowerCase()))
  );
}

/** The one choice that is in a line as whole words. Of `no` and `no idea` the longer one counts. */
function within(line: string, choices: readonly string[]): string | undefined {
  const found = choices.filter((choice) => hasWords(line, choice));
  return only(found.filter((choice) => !found.some((other) => other !== choice && other.includes(choice))));
}

function hasWords(line: string, words: string): boolean {
  const isPart = (character: string | undefined): boolean =>
    character !== undefined && /[\p{L}\p{N}]/u.test(character);
  for (let at = line.indexOf(words); at !== -1; at = line.indexOf(words, at + 1))
    if (!isPart(line[at - 1]) && !isPart(line[at + words.length])) return true;
  return false;
}

const only = <T>(found: readonly T[]): T | undefined => (found.length === 1 ? found[0] : undefined);
