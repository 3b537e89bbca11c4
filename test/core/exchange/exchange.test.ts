import { expect, it } from 'vitest';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';

const open = () => new Exchanges({ trust_inbound: false }).open(undefined);

it('fails with the HTTP status of the catalogue, unless the client got another one', () => {
  const http = open();
  expect(http.fail('queue_full', 'full')).toBe(true);
  expect([http.cause, http.status, http.detail]).toEqual(['queue_full', 429, 'full']);
  const webSocket = open();
  webSocket.fail('idle_timeout', '', 1001);
  expect([webSocket.cause, webSocket.status]).toEqual(['idle_timeout', 1001]);
});

it('keeps the first cause when it is closed twice', () => {
  const exchange = open();
  exchange.close('ok', 200);
  expect(exchange.fail('client_gone')).toBe(false);
  expect([exchange.cause, exchange.status]).toEqual(['ok', 200]);
});
