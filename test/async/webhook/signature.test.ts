// Tests of signatures. The expected values are from openssl dgst -sha256 -hmac SECRET -hex.
import { expect, it } from 'vitest';
import { signPayload } from '../../../src/async/webhook/signature.ts';

const NEW = 'whsec_0123456789abcdefghijABCDEFGHIJ0123456789';
const OLD = 'whsec_9876543210abcdefghijABCDEFGHIJ0123456789';
const OF_NEW = 'e4843f1f8915387636607c034e5a3c4e2a53fc157cc9d4969936f66bc09481a4';
const OF_OLD = '228c77418f63b28e66254c4806cae5486277231d7e1b967c28514c4e08ad9076';

it('signs a body with the whole secret, including its prefix', () => {
  expect(signPayload(Buffer.from('{"a":1}'), [NEW])).toBe(`v1=${OF_NEW}`);
});

it('signs with each secret, newest first', () => {
  expect(signPayload(Buffer.from('{"a":1}'), [NEW, OLD])).toBe(`v1=${OF_NEW},v1=${OF_OLD}`);
});

it('signs bytes that are not text', () => {
  expect(signPayload(Buffer.from([0xff, 0x00, 0xc3, 0xa9]), [NEW])).toBe(
    'v1=04f5440d072dfd6204abd6627ff4281815e9863665cf5e286a3fab0f3aa013b9',
  );
});

it('returns no signature without a secret', () => {
  expect(signPayload(Buffer.from('{}'), [])).toBeUndefined();
});
