// Routes of prices: list, replace all, add, change and remove one.
// Invariant: prices of the configuration are shown and never changed.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EditRefusal, Prices, ShownPrices } from '../../../telemetry/llm/prices.ts';
import type { PricesAnswer } from '../answers/settings-answers.ts';
import { noteMade } from '../audit.ts';
import { jsonBody } from '../read-body.ts';
import { fail, failProblems, json, type Endpoint } from '../endpoint.ts';

/** Modules of these routes. */
export interface WithPrices {
  readonly prices: Prices;
}

const PATH = '/v1/prices';
const ONE = `${PATH}/{id}`;

export const priceEndpoints: readonly Endpoint<WithPrices>[] = [
  {
    method: 'GET',
    path: PATH,
    does: 'returns the prices of tokens with their currency, in the order in which they are tried; `source` is `api` or `config`, `period` is `past`, `current` or `future`; `without_price` counts requests since the start whose model has no price',
    scope: 'admin',
    handle: ({ prices }, _, res) => json(res, 200, pricesAnswer(prices, prices.shown)),
  },
  {
    method: 'PUT',
    path: PATH,
    does: 'replaces the prices of the API by `{"prices": [{"model", "input", "output", "cached"?, "reasoning"?, "valid_from"?}, …]}`, at most 10,000; they come before those of the configuration, from the next request that ends, also after a restart; an empty list leaves those of the configuration; `currency` may be given and must be that of `llm.currency`',
    scope: 'admin',
    effect: 'change',
    async handle({ prices }, req, res) {
      const body = await bodyIfStored(prices, req, res);
      if (body === undefined) return;
      const replaced = await prices.replace(body.value);
      if ('problems' in replaced) failProblems(req, res, 'Invalid prices', replaced.problems);
      else json(res, 200, pricesAnswer(prices, replaced.shown));
    },
  },
  {
    method: 'POST',
    path: PATH,
    does: 'adds one price to those of the API: `{"model", "input", "output", "cached"?, "reasoning"?, "valid_from"?}`; it stands in front of the first pattern that fits its model; with a `valid_from`, the earlier price of the model stays, for requests that ended before',
    scope: 'admin',
    effect: 'change',
    async handle({ prices }, req, res) {
      const body = await bodyIfStored(prices, req, res);
      if (body === undefined) return;
      const made = await prices.add(body.value);
      if (typeof made === 'string' || !('id' in made)) return refuse(made, req, res);
      noteMade(res, `price ${made.model}`);
      json(res, 201, made);
    },
  },
  {
    method: 'PATCH',
    path: ONE,
    does: 'changes the given fields of a price of the API; `null` takes one away; the `id` in the response is another one if `model` or `valid_from` was changed',
    scope: 'admin',
    effect: 'change',
    async handle({ prices }, req, res, [id]) {
      const body = await bodyIfStored(prices, req, res);
      if (body === undefined || isConfigured(prices, id!, req, res)) return;
      const changed = await prices.change(id!, body.value);
      if (typeof changed === 'string' || !('id' in changed)) refuse(changed, req, res);
      else json(res, 200, changed);
    },
  },
  {
    method: 'DELETE',
    path: ONE,
    does: 'removes a price of the API',
    scope: 'admin',
    effect: 'change',
    async handle({ prices }, req, res, [id]) {
      if (!canStore(prices, req, res) || isConfigured(prices, id!, req, res)) return;
      if (await prices.remove(id!)) res.writeHead(204).end();
      else refuse('not_found', req, res);
    },
  },
];

function pricesAnswer(prices: Prices, shown: ShownPrices): PricesAnswer {
  const nowMs = Date.now();
  const { unpriced } = prices;
  return {
    ...shown,
    without_price: {
      since: new Date(unpriced.sinceMs).toISOString(),
      requests: unpriced.requests,
      models: unpriced
        .list((model) => prices.priceOf(model, nowMs) !== undefined)
        .map(({ model, requests, lastMs }) => ({ model, requests, last_at: new Date(lastMs).toISOString() })),
    },
  };
}

/** False, after an error response, if this weir keeps nothing on disk. */
function canStore(prices: Prices, req: IncomingMessage, res: ServerResponse): boolean {
  if (!prices.canStore)
    fail(
      req,
      res,
      'not_implemented',
      'set logs.capture to metadata or async.store to file, or write them into llm.prices of the configuration',
      { text: 'Prices cannot be stored, since this weir keeps nothing on disk' },
    );
  return prices.canStore;
}

const bodyIfStored = async (
  prices: Prices,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<{ value: unknown } | undefined> => (canStore(prices, req, res) ? jsonBody(req, res) : undefined);

/** True, after an error response, for a price of the configuration. */
function isConfigured(prices: Prices, id: string, req: IncomingMessage, res: ServerResponse): boolean {
  const price = prices.shown.prices.find((one) => one.id === id);
  if (price?.source !== 'config') return false;
  fail(
    req,
    res,
    'bad_request',
    'it is in llm.prices of the configuration; a price of the API with the same model comes before it',
    {
      text: 'This price cannot be changed here',
    },
  );
  return true;
}

const refuse = (refusal: EditRefusal, req: IncomingMessage, res: ServerResponse): void =>
  refusal === 'not_found'
    ? fail(req, res, 'unknown_record', '', { text: 'No such price' })
    : failProblems(req, res, 'Invalid price', refusal);
