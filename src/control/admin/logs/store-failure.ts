// The error response for records that were not stored.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PostResult } from '../../../telemetry/logs/logs.ts';
import { fail } from '../endpoint.ts';

type Problem = Extract<PostResult, { problem: unknown }>['problem'];

/** Sends it. `stored`: number of records of the same request that were stored before. */
export function failStore(problem: Problem, stored: number, req: IncomingMessage, res: ServerResponse): void {
  const detail = stored === 0 ? 'nothing was stored' : `the first ${stored} were stored`;
  if (problem === 'queue_full')
    fail(req, res, 'queue_full', detail, {
      text: 'Records arrive faster than they can be stored; try again later',
    });
  else if (problem === 'store_full') fail(req, res, 'storage_full', detail, { text: 'The disk is full' });
  else fail(req, res, 'storage_failed', detail, { text: 'The log store cannot be written' });
}
