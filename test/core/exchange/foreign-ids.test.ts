// Trace and span ids for texts of clients.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { spanIdOfText, traceIdOfText } from '../../../src/core/exchange/foreign-ids.ts';

it('keeps ids of W3C’s form, whatever the case of their letters', () => {
  const trace = '0af7651916cd43dd8448eb211c80319c';
  expect(traceIdOfText(trace.toUpperCase())).toEqual({ id: trace, text: '' });
  expect(spanIdOfText('B7AD6B7169203331')).toEqual({ id: 'b7ad6b7169203331', text: '' });
});

it('takes the dashes out of a UUID, and keeps it as text', () => {
  const uuid = '0af76519-16cd-43dd-8448-eb211c80319C';
  expect(traceIdOfText(uuid)).toEqual({ id: '0af7651916cd43dd8448eb211c80319c', text: uuid });
});

it('gives every other text a valid id that is always the same', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (text) => {
      expect(traceIdOfText(text).id).toMatch(/^(?!0+$)[0-9a-f]{32}$/);
      expect(spanIdOfText(text).id).toMatch(/^(?!0+$)[0-9a-f]{16}$/);
      expect(traceIdOfText(text)).toEqual(traceIdOfText(text));
    }),
  );
  for (const zeros of ['0'.repeat(32), '0'.repeat(16)]) {
    expect(traceIdOfText(zeros)).toMatchObject({ text: zeros });
    expect(spanIdOfText(zeros)).toMatchObject({ text: zeros });
  }
});
