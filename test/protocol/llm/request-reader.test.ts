import { describe, expect, it } from 'vitest';
import { LlmFollower } from '../../../src/protocol/llm/llm-follower.ts';

const BODIES = [
  ['{"model":"m","prompt":"a"}', 'm'],
  ['{"model":"m","prompt":"another one"}', 'm'],
  ['{"model":"m2","prompt":"a"}', 'm2'],
  ['{"model":"m\\u0032"}', 'm2'],
  ['{"model":"m\\"","prompt":"a"}', 'm"'],
  ['{"model": "m"}', 'm'],
  ['{"messages":[{"model":"no"}],"model":"last"}', 'last'],
  ['{"messages":[{"model":"no"}]}', ''],
  ['{"model":"m', ''],
  ['["model","m"]', ''],
  [`{"model":"${'long'.repeat(60)}","prompt":"a"}`, 'long'.repeat(60)],
] as const;

const follower = new LlmFollower();
/** The model of a request whose body comes in two pieces. */
function modelOf(body: string, cut: number): string {
  const bytes = Buffer.from(body);
  const sink = follower.requestBegins('application/json', '', bytes.length);
  sink?.push(bytes, 0, cut);
  sink?.push(bytes, cut, bytes.length);
  return follower.end(false)?.model ?? '';
}

describe('the model of a request', () => {
  it.each(BODIES)('is found in %s, whatever the request before was', (body, model) => {
    for (const [before] of BODIES)
      for (let cut = 0; cut <= body.length; cut++) {
        modelOf(before, 0);
        expect(modelOf(body, cut), `cut at ${cut}, after ${before}`).toBe(model);
      }
  });
});
