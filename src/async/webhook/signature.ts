// Signature of a webhook (contract 2.7): HMAC-SHA256 of the sent bytes, with the whole text of a secret as the key.
import { createHmac } from 'node:crypto';

/**
 * Value of X-BASETEN-SIGNATURE: `v1=<hex>` for each active secret, newest first, so that a receiver with the old secret
 * finds its signature too. `undefined` without a secret: the header is not sent.
 */
export function signPayload(body: Buffer, secrets: readonly string[]): string | undefined {
  if (secrets.length === 0) return undefined;
  return secrets.map((secret) => `v1=${createHmac('sha256', secret).update(body).digest('hex')}`).join(',');
}
