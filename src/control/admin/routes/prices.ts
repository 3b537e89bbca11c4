// Routes of prices: list, replace.
import type { Prices } from '../../../telemetry/llm/prices.ts';
import { jsonBody } from '../read-body.ts';
import { fail, failProblems, json, type Endpoint } from '../endpoint.ts';

/** Modules of these routes. */
export interface WithPrices {
  readonly prices: Prices;
}

export const priceEndpoints: readonly Endpoint<WithPrices>[] = [
  {
    method: 'GET',
    path: '/v1/prices',
    does: 'returns the prices of tokens with their currency, in the order in which they are tried; `source` is `api` or `config`',
    scope: 'admin',
    handle: ({ prices }, _, res) => json(res, 200, prices.shown),
  },
  {
    method: 'PUT',
    path: '/v1/prices',
    does: 'replaces the prices of the API by `{"prices": [{"model", "input", "output", "cached"?, "reasoning"?, "valid_from"?}, …]}`, at most 10,000; they come before those of the configuration, from the next request that ends, also after a restart; an empty list leaves those of the configuration; `currency` may be given and must be that of `llm.currency`',
    scope: 'admin',
    effect: 'change',
    async handle({ prices }, req, res) {
      if (!prices.canStore)
        return fail(
          req,
          res,
          'not_implemented',
          'set logs.capture to metadata or async.store to file, or write them into llm.prices of the configuration',
          { text: 'Prices cannot be stored, since this weir keeps nothing on disk' },
        );
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const replaced = await prices.replace(body.value);
      if ('problems' in replaced) failProblems(req, res, 'Invalid prices', replaced.problems);
      else json(res, 200, replaced.shown);
    },
  },
];
