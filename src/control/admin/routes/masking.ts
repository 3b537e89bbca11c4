// POST /v1/masking/test: shows what the rules of masking do to a text.
// Invariant: the text is neither stored nor logged.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { unknownName } from '../../../core/nearest-name.ts';
import { testMasking, unknownRules } from '../../../telemetry/logs/logs.ts';
import { failProblems, json, type Endpoint } from '../endpoint.ts';
import { jsonBody } from '../read-body.ts';

const FIELDS = ['text', 'rules', 'patterns', 'paths'];

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

const isPaths = (value: unknown): value is readonly { path: string; action: 'drop' | 'hash' }[] =>
  Array.isArray(value) &&
  value.every((one: unknown) => {
    const { path, action } = (one ?? {}) as Record<string, unknown>;
    return typeof path === 'string' && (action === 'drop' || action === 'hash');
  });

async function test(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await jsonBody(req, res);
  if (body === undefined) return;
  const { text, rules, patterns, paths, ...others } = (body.value ?? {}) as Record<string, unknown>;
  const problems = Object.keys(others).map((name) => unknownName('field', name, FIELDS));
  if (typeof text !== 'string') problems.push('text: must be a string');
  if (rules !== undefined && !isTexts(rules)) problems.push('rules: must be a list of names');
  else
    for (const word of unknownRules(rules ?? []))
      problems.push(`rules: unknown rule ${JSON.stringify(word)}`);
  if (patterns !== undefined && !isTexts(patterns))
    problems.push('patterns: must be a list of RE2 expressions');
  if (paths !== undefined && !isPaths(paths))
    problems.push('paths: must be a list of {"path": "$.a", "action": "drop" or "hash"}');
  const result =
    problems.length > 0
      ? undefined
      : testMasking(text as string, {
          rules: rules as readonly string[] | undefined,
          patterns: patterns as readonly string[] | undefined,
          paths: isPaths(paths) ? paths : undefined,
        });
  problems.push(...(result?.problems ?? []));
  if (problems.length > 0) return failProblems(req, res, 'Invalid masking test', problems);
  const { problems: _, ...shown } = result!;
  json(res, 200, shown);
}

export const maskingEndpoints: readonly Endpoint<object>[] = [
  {
    method: 'POST',
    path: '/v1/masking/test',
    does: 'shows what rules of masking do to `{"text", "rules"?, "patterns"?, "paths"?}`, and where they match; nothing is stored',
    scope: 'logs:read',
    effect: 'read',
    handle: (_, req, res) => test(req, res),
  },
];
