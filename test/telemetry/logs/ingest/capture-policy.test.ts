// Whose bodies are kept, and what the copies of them may cost.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CapturePolicy,
  pathPattern,
  type CaptureOptions,
} from '../../../../src/telemetry/logs/ingest/capture-policy.ts';

const capture = (options: Partial<CaptureOptions> = {}, maxHeldBytes?: number) =>
  new CapturePolicy({ capture: 'metadata', routes: [], max_body: 1000, ...options }, maxHeldBytes);
const bytes = (text: string) => Buffer.from(text);

describe('what is kept of a request', () => {
  it('is what the first route says that fits, and else what holds for all', () => {
    const one = capture({
      routes: [
        { path: '/v1/chat/secret', capture: 'off' },
        { path: '/v1/chat/', capture: 'full' },
        { path: '*/completions', capture: 'full' },
      ],
    });
    expect(one.modeOf('/v1/chat/secret/x')).toBe('off');
    expect(one.modeOf('/v1/chat/x?y=/v1')).toBe('full');
    expect(one.modeOf('/environments/production/sync/v1/completions?a=b')).toBe('full');
    expect(one.modeOf('/v1/completions/more')).toBe('metadata');
    expect(one.modeOf('/x?/v1/chat/')).toBe('metadata');
    expect(one.mayCaptureBodies).toBe(true);
  });

  it('is nothing at all only where no route says otherwise', () => {
    expect(capture({ capture: 'off' }).isOn).toBe(false);
    expect(capture({ capture: 'off', routes: [{ path: '/a', capture: 'metadata' }] }).isOn).toBe(true);
    expect(capture().mayCaptureBodies).toBe(false);
  });

  it('fits as an expression would that is made of the pattern', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), maxLength: 8 });
    fc.assert(
      fc.property(letters, letters, (pattern, text) => {
        const path = text.replaceAll('*', 'c');
        const expression = new RegExp(
          pattern.includes('*') ? `^${pattern.replaceAll('*', '.*')}$` : `^${pattern}`,
        );
        expect(pathPattern(pattern)(path)).toBe(expression.test(path));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a copy', () => {
  it('is what passed, to the byte, however it came', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 8 }), (chunks) => {
        const tap = capture({ capture: 'full', max_body: 10_000 }).open('/')!;
        for (const chunk of chunks) {
          const own = Buffer.from(chunk);
          tap.request.push(own);
          // The piece is somebody else's, who goes on with it.
          own.fill(0);
        }
        const all = Buffer.concat(chunks);
        const kept = tap.take().request;
        expect(Buffer.from(kept?.bytes ?? [])).toEqual(all.subarray(0, 10_000));
        expect(kept?.isCut ?? false).toBe(all.length > 10_000);
      }),
    );
  });

  it('is longer of a stream of events, which is kept put together', () => {
    const tap = capture({ capture: 'full' }).open('/')!;
    tap.answers('text/event-stream; charset=utf-8', undefined);
    tap.response.push(Buffer.alloc(15_000, 'x'));
    expect(tap.take().response).toMatchObject({ isCut: false });
  });

  it('takes nothing in once it was given away', () => {
    const tap = capture({ capture: 'full' }).open('/')!;
    tap.request.push(bytes('a'));
    expect(Buffer.from(tap.take().request!.bytes).toString()).toBe('a');
    tap.request.push(bytes('b'));
    expect(tap.take().request).toBeUndefined();
  });

  it('is made of no more bodies than there is room for; the others are counted, and room comes back', () => {
    const one = capture({ capture: 'full', max_body: 8192 }, 20_000);
    const taps = [one.open('/')!, one.open('/')!, one.open('/')!];
    for (const tap of taps) tap.response.push(Buffer.alloc(8192));
    const last = taps[2]!.take().response!;
    expect(last).toMatchObject({ isCut: true });
    expect(last.bytes.length).toBe(0);
    expect(one.open('/')).toBeUndefined();
    expect(one.skipped).toBe(1);
    for (const tap of taps) tap.take();
    const again = one.open('/')!;
    again.response.push(Buffer.alloc(8192, 'y'));
    expect(again.take().response).toMatchObject({ isCut: false });
  });
});
