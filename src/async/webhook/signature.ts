// The signature that tells a receiver that a webhook is ours.
// Must stay true: what is signed is the raw bytes that are sent, with the whole text of a secret, prefix and all.
import { createHmac } from 'node:crypto';

/**
 * The value of X-BASETEN-SIGNATURE: `v1=<hex>` for each active secret, in the order given, newest first, so that a
 * receiver which knows only the old secret still finds its own (contract 2.7). `undefined` without a secret: then
 * there is no header.
 */
export function signPayload(body: Buffer, secrets: readonly string[]): string | undefined {
  if (secrets.length === 0) return undefined;
  return secrets.map((secret) => `v1=${createHmac('sha256', secret).update(body).digest('hex')}`).join(',');
}
