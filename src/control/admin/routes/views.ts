// Routes of saved views of the page: list, save, change, remove.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ViewAnswer, ViewList } from '../answers/view-answers.ts';
import { callerName, noteMade } from '../audit.ts';
import { fail, failProblems, json, type Endpoint } from '../endpoint.ts';
import { jsonBody } from '../read-body.ts';
import type { Views, ViewRefusal } from '../views/view-store.ts';
import type { WithKeys } from './keys.ts';

/** Modules of these routes. */
export interface WithViews extends WithKeys {
  readonly views: Views;
}

const ONE = '/v1/view/{id}';

export const viewEndpoints: readonly Endpoint<WithViews>[] = [
  {
    method: 'GET',
    path: '/v1/view',
    does: 'returns the saved views of the page, in the order of names',
    scope: 'logs:read',
    handle: ({ views }, _, res) => json(res, 200, { views: views.list() } satisfies ViewList),
  },
  {
    method: 'POST',
    path: '/v1/view',
    does: 'saves a view as `{"name", "address"}`; the address is a path of the page, such as `/ui/logs?q=level:error`; at most 500 views',
    scope: 'logs:write',
    effect: 'change',
    async handle({ views, keys }, req, res) {
      const body = canStore(views, req, res) ? await jsonBody(req, res) : undefined;
      if (body === undefined) return;
      const made = await views.create(body.value, callerName(keys, req));
      if (!respond(made, 201, req, res)) return;
      noteMade(res, `view ${made.id}`);
    },
  },
  {
    method: 'PATCH',
    path: ONE,
    does: 'changes `name` and `address` of a saved view',
    scope: 'logs:write',
    effect: 'change',
    async handle({ views }, req, res, [id]) {
      const body = canStore(views, req, res) ? await jsonBody(req, res) : undefined;
      if (body !== undefined) respond(await views.change(id!, body.value), 200, req, res);
    },
  },
  {
    method: 'DELETE',
    path: ONE,
    does: 'removes a saved view',
    scope: 'logs:write',
    effect: 'change',
    async handle({ views }, req, res, [id]) {
      if (!canStore(views, req, res)) return;
      if (await views.remove(id!)) res.writeHead(204).end();
      else failUnknown(req, res);
    },
  },
];

const failUnknown = (req: IncomingMessage, res: ServerResponse): void =>
  fail(req, res, 'unknown_record', '', { text: 'No such view' });

/** False, after an error response, if this weir keeps nothing on disk. */
function canStore(views: Views, req: IncomingMessage, res: ServerResponse): boolean {
  if (!views.canStore)
    fail(req, res, 'not_implemented', 'set logs.capture to metadata or async.store to file', {
      text: 'Views cannot be saved, since this weir keeps nothing on disk',
    });
  return views.canStore;
}

/** Sends the view, or the error response of a refusal; then it returns false. */
function respond(
  result: ViewAnswer | ViewRefusal,
  status: number,
  req: IncomingMessage,
  res: ServerResponse,
): result is ViewAnswer {
  if (result === 'not_found') failUnknown(req, res);
  else if ('id' in result) {
    json(res, status, result);
    return true;
  } else failProblems(req, res, 'Invalid view', result);
  return false;
}
