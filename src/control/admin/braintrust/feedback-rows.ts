// Feedback of the REST API as rows, in the form in which the SDK's logFeedback sends it.
// Invariant: feedback with a mistake in one entry gives no rows.
import { randomUUID } from 'node:crypto';
import { fieldsOf } from './project-json.ts';

const SOURCES: readonly unknown[] = ['app', 'api', 'external'];

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');
const isScores = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every(
    (score) => score === null || (typeof score === 'number' && score >= 0 && score <= 1),
  );

/** What is wrong with an entry. */
function problemsOf(entry: Readonly<Record<string, unknown>>): string[] {
  const { id, scores, expected, comment, tags, metadata, source } = entry;
  const problems: string[] = [];
  if (typeof id !== 'string' || id === '') problems.push('id: must be the id of a row');
  if ((scores ?? comment ?? tags ?? null) === null && expected === undefined)
    problems.push('has none of scores, expected, tags and comment');
  if ((scores ?? null) !== null && !isScores(scores))
    problems.push('scores: must be an object of numbers from 0 to 1, or null');
  if ((tags ?? null) !== null && !isTexts(tags)) problems.push('tags: must be a list of texts');
  if ((comment ?? null) !== null && typeof comment !== 'string') problems.push('comment: must be a text');
  if ((metadata ?? null) !== null && (typeof metadata !== 'object' || Array.isArray(metadata)))
    problems.push('metadata: must be an object');
  if ((source ?? null) !== null && !SOURCES.includes(source))
    problems.push(`source: must be one of ${SOURCES.join(', ')}`);
  return problems;
}

/** Rows of a body `{"feedback": […]}`, or what is wrong with it. */
export function feedbackRows(
  value: unknown,
  now: Date,
): { readonly rows: readonly object[] } | { readonly problems: readonly string[] } {
  const { feedback } = fieldsOf(value);
  if (!Array.isArray(feedback) || feedback.length === 0) return { problems: ['feedback: must be a list'] };
  const entries = feedback.map(fieldsOf);
  const problems = entries.flatMap((entry, i) =>
    problemsOf(entry).map((problem) => `feedback[${i}]: ${problem}`),
  );
  return problems.length > 0 ? { problems } : { rows: entries.flatMap((entry) => rowsOf(entry, now)) };
}

/** A row that is merged into the one that the feedback is for, and one of the comment. */
function rowsOf(entry: Readonly<Record<string, unknown>>, now: Date): object[] {
  const { id, scores, expected, comment, tags, metadata, source } = entry;
  const audit = { _audit_source: source ?? 'api', _audit_metadata: metadata ?? undefined };
  const rows: object[] = [];
  if ((scores ?? tags ?? null) !== null || expected !== undefined)
    rows.push({
      id,
      scores: scores ?? undefined,
      expected,
      tags: tags ?? undefined,
      ...audit,
      _is_merge: true,
    });
  if (typeof comment === 'string')
    rows.push({
      id: randomUUID(),
      created: now.toISOString(),
      origin: { id },
      comment: { text: comment },
      ...audit,
    });
  return rows;
}
