// The prompt of a judge: a text with places for parts of the span, such as {{output}}.
// Invariant: only the prompt has places. A value is put in as it is, so that `{{output}}` in an output stays a text.
import { isObject, textOfJson } from '../../../protocol/llm/json-values.ts';
import type { ScorerInput } from '../scorer.ts';

const PARTS = ['input', 'output', 'expected', 'metadata'] as const;
type SpanPart = (typeof PARTS)[number];

/** Two or three braces, since mustache writes three for a value that is not to be escaped. */
const PLACE = /\{\{\{?\s*([^{}]+?)\s*\}?\}\}/g;
const MAX_PROMPT = 256 * 1024;

export interface JudgePrompt {
  /** The prompt for a span, or why there is no score. */
  fill(span: ScorerInput): { readonly text: string } | { readonly reason: string };
}

/** Reads a prompt. Returns problems as sentences. */
export function readPrompt(prompt: string): JudgePrompt | { readonly problems: readonly string[] } {
  const names = Array.from(prompt.matchAll(PLACE), ([, name]) => name!);
  const unknown = [...new Set(names)].filter((name) => partOf(name) === undefined);
  if (unknown.length > 0)
    return {
      problems: unknown.map(
        (name) =>
          `prompt has {{${name.slice(0, 60)}}}; a place is one of ${PARTS.join(', ')}, or a field of them such as metadata.user_id`,
      ),
    };
  if (names.length === 0) return { problems: ['prompt has no place for the span, such as {{output}}'] };
  const parts = new Set(names.map((name) => partOf(name)!));
  return {
    fill: (span) => {
      if (parts.has('output') && span.output === undefined) return { reason: 'the span has no output' };
      if (parts.has('expected') && span.expected === undefined)
        return { reason: 'the span has no expected value' };
      const text = prompt.replaceAll(PLACE, (_, name: string) => textOf(valueAt(span, name)));
      return text.length <= MAX_PROMPT
        ? { text }
        : { reason: `the prompt has ${text.length} characters; the maximum is ${MAX_PROMPT}` };
    },
  };
}

const partOf = (name: string): SpanPart | undefined => PARTS.find((part) => part === name.split('.')[0]);

/** The value at a path: fields by name, items of lists by number from 0. */
function valueAt(span: ScorerInput, path: string): unknown {
  const [part, ...names] = path.split('.') as [SpanPart, ...string[]];
  let value = span[part];
  for (const name of names) {
    if (Array.isArray(value)) value = /^\d+$/.test(name) ? value[Number(name)] : undefined;
    else value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  return value;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : (textOfJson(value) ?? '(nested too deeply)');
}
