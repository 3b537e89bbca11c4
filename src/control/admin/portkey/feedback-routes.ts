// POST /v1/feedback, PUT and DELETE /v1/feedback/{id}: ratings of traces by clients of Portkey.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogStore } from '../../../telemetry/logs/logs.ts';
import { fail, type Endpoint } from '../endpoint.ts';
import { failStore } from '../logs/store-failure.ts';
import { authorOf } from '../records/author.ts';
import { logsOrFail, type WithLogs } from '../routes/logs.ts';
import type { WithKeys } from '../routes/keys.ts';
import {
  FeedbackStore,
  readFeedback,
  readNewFeedback,
  type FeedbackResult,
  type NewFeedback,
} from './feedback.ts';
import { MAX_MEMBERS, membersOf, valueBody } from './members.ts';
import { portkeyErrors, sendObject } from './portkey-errors.ts';

const MAX_FEEDBACK_BYTES = 1024 ** 2;

/** The changes that are being stored, by their log store. */
const stores = new WeakMap<LogStore, FeedbackStore>();

function storeOf(logs: LogStore): FeedbackStore {
  let store = stores.get(logs);
  if (store === undefined) stores.set(logs, (store = new FeedbackStore(logs)));
  return store;
}

/** Modules of these routes. */
type WithFeedback = WithLogs & WithKeys;

export const feedbackEndpoints: readonly Endpoint<WithFeedback>[] = [
  {
    method: 'POST',
    path: '/v1/feedback',
    does: 'stores feedback on traces, as `{"trace_id", "value": -10 to 10, "weight"?: 0 to 1, "metadata"?}`, one or a list, all or none; the trace may come later',
    scope: 'logs:write',
    effect: 'store',
    errors: portkeyErrors,
    async handle(context, req, res) {
      const logs = logsOrFail(context, req, res);
      const body = logs && (await valueBody(req, res, MAX_FEEDBACK_BYTES));
      if (!logs || !body) return;
      const members = membersOf(body.value, 'feedback');
      if (members.length === 0 || members.length > MAX_MEMBERS)
        return fail(req, res, 'bad_request', '', {
          text: `The body has ${members.length} feedbacks; 1 to ${MAX_MEMBERS} are stored at once`,
        });
      const all: NewFeedback[] = [];
      for (const { name, value } of members) {
        const one = readNewFeedback(value);
        if ('problem' in one) return failField(req, res, [name, one.key], one.problem);
        all.push(one);
      }
      respond(await storeOf(logs).add(all, authorOf(context.keys, req)), 'Feedback saved', req, res);
    },
  },
  {
    method: 'PUT',
    path: '/v1/feedback/{id}',
    does: 'replaces value, weight and metadata of a feedback',
    scope: 'logs:write',
    effect: 'store',
    errors: portkeyErrors,
    async handle(context, req, res, [id]) {
      const logs = logsOrFail(context, req, res);
      const body = logs && (await valueBody(req, res, MAX_FEEDBACK_BYTES));
      if (!logs || !body) return;
      const one = readFeedback(body.value);
      if ('problem' in one) return failField(req, res, [one.key], one.problem);
      const result = await storeOf(logs).update(id!, one, authorOf(context.keys, req));
      if (result === undefined) return failUnknown(id!, req, res);
      respond(result, 'Feedback updated', req, res);
    },
  },
  {
    method: 'DELETE',
    path: '/v1/feedback/{id}',
    does: 'removes a feedback',
    scope: 'logs:write',
    effect: 'store',
    errors: portkeyErrors,
    async handle(context, req, res, [id]) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const result = await storeOf(logs).update(id!, undefined, authorOf(context.keys, req));
      if (result === undefined) return failUnknown(id!, req, res);
      respond(result, 'Feedback removed', req, res);
    },
  },
];

const failUnknown = (id: string, req: IncomingMessage, res: ServerResponse): void =>
  fail(req, res, 'unknown_record', '', {
    text: `feedback ${id.slice(0, 80)} was not found`,
    param: 'feedbackId',
  });

/** Sends the error of a field. `path`: parts of its name, of which some may be empty. */
function failField(
  req: IncomingMessage,
  res: ServerResponse,
  path: readonly string[],
  problem: string,
): void {
  const param = path.filter((part) => part !== '').join('.');
  fail(req, res, 'bad_request', '', { text: `${param === '' ? 'The body' : param} ${problem}`, param });
}

function respond(result: FeedbackResult, message: string, req: IncomingMessage, res: ServerResponse): void {
  if ('invalid' in result) return fail(req, res, 'bad_request', '', { text: result.invalid });
  if ('problem' in result) return failStore(result.problem, 0, req, res);
  // The types of the SDK for Node call the list `feedback_id`.
  sendObject(res, 200, {
    status: 'success',
    message,
    feedback_ids: result.ids,
    feedback_id: result.ids,
  });
}
