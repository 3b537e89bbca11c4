// Routes that add scores, comments and tags to a record, and take them back.
// Invariant: an annotation is never changed; one that is taken back stays stored, and does not count any more.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { unknownName } from '../../../core/nearest-name.ts';
import {
  annotationRecord,
  standing,
  type AnnotationTarget,
  type LogRecord,
  type LogStore,
} from '../../../telemetry/logs/logs.ts';
import { isObject } from '../../../protocol/llm/json-values.ts';
import { fail, failProblems, json, type Endpoint } from '../endpoint.ts';
import { failStore } from '../logs/store-failure.ts';
import { jsonBody } from '../read-body.ts';
import { annotationsOf, type AnnotatedIds } from '../records/annotation-list.ts';
import { authorOf } from '../records/author.ts';
import type { AnnotationMadeJson, NewAnnotationJson } from '../records/request-json.ts';
import type { WithKeys } from './keys.ts';
import { logsOrFail, type WithLogs } from './logs.ts';

const PARTS = ['scores', 'comment', 'tags'] as const;
const ORIGIN = { deployment: '', environment: '', replica: '', source: 'api' };

export const annotationEndpoints: readonly Endpoint<WithLogs & WithKeys>[] = [
  {
    method: 'POST',
    path: '/v1/logs/{id}/annotations',
    does: 'adds `{"scores"?: {name: number or null}, "comment"?, "tags"?: […]}` to the request with the id, which may be recorded later, or to the record with the `seq`; returns the id of the annotation',
    scope: 'logs:write',
    effect: 'store',
    async handle(context, req, res, [id]) {
      const logs = logsOrFail(context, req, res);
      const body = logs && (await jsonBody(req, res));
      if (!logs || !body) return;
      const content = readContent(body.value);
      if ('problems' in content) return failProblems(req, res, 'Invalid annotation', content.problems);
      const author = authorOf(context.keys, req);
      const annotationId = newId();
      const by = author === '' ? {} : { author };
      const target = await targetOf(logs, id!);
      const made = annotationRecord(target, { ...content, id: annotationId, ...by }, ORIGIN);
      if (!(await store(logs, made, req, res))) return;
      const answer: AnnotationMadeJson = {
        annotation_id: annotationId,
        ...(author === '' ? {} : { by: author }),
      };
      json(res, 201, answer);
    },
  },
  {
    method: 'DELETE',
    path: '/v1/logs/{id}/annotations/{annotation_id}',
    does: 'removes an annotation; what was there before it applies again',
    scope: 'logs:write',
    effect: 'store',
    async handle(context, req, res, [id, annotationId]) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const target = await targetOf(logs, id!);
      const known = await annotationsOf(logs, namedBy(target), res);
      if (known === undefined) return;
      if (!standing(known).some((one) => one.id === annotationId))
        return fail(req, res, 'unknown_record', '', {
          text: `No annotation ${annotationId!.slice(0, 80)} of ${id!.slice(0, 80)}`,
        });
      const author = authorOf(context.keys, req);
      const by = author === '' ? {} : { author };
      const made = annotationRecord(target, { withdraws: [annotationId!], ...by }, ORIGIN);
      if (await store(logs, made, req, res)) json(res, 200, { annotation_id: annotationId });
    },
  },
];

/** Letters only, so that no rule of masking takes an id for a number. */
const newId = (): string =>
  Array.from(randomBytes(20), (byte) => String.fromCharCode('a'.charCodeAt(0) + (byte & 15))).join('');

function readContent(value: unknown): NewAnnotationJson | { readonly problems: readonly string[] } {
  if (!isObject(value)) return { problems: ['must be an object with scores, comment or tags'] };
  const problems = Object.keys(value)
    .filter((name) => !PARTS.some((part) => part === name))
    .map((name) => unknownName('field', name, PARTS));
  const parts = PARTS.filter((name) => value[name] !== undefined && value[name] !== null);
  if (parts.length === 0) problems.push('has none of scores, comment and tags');
  // The rest is checked with the limits of annotations.
  return problems.length > 0 ? { problems } : Object.fromEntries(parts.map((name) => [name, value[name]]));
}

/** A place names its record; a request is named by its request id. Any other text is a request id. */
async function targetOf(logs: LogStore, id: string): Promise<AnnotationTarget> {
  const place = logs.readPlace(id);
  const record = place && (await logs.at(place));
  if (record === undefined) return { requestId: id };
  return record.kind === 'request' && record.requestId !== ''
    ? { requestId: record.requestId }
    : { seq: record.seq };
}

const namedBy = (target: AnnotationTarget): AnnotatedIds => ({
  kind: 'requestId' in target ? 'request' : 'line',
  seq: 'seq' in target ? target.seq : 0,
  requestId: 'requestId' in target ? target.requestId : '',
  traceId: '',
  spanId: '',
});

/** Stores an annotation. False: an error response was sent. */
async function store(
  logs: LogStore,
  made: LogRecord | { readonly invalid: string },
  req: IncomingMessage,
  res: ServerResponse,
): Promise<boolean> {
  if ('invalid' in made) {
    fail(req, res, 'bad_request', made.invalid, { text: 'Invalid annotation' });
    return false;
  }
  const result = await logs.post([made]);
  if ('problem' in result) failStore(result.problem, 0, req, res);
  return !('problem' in result);
}
