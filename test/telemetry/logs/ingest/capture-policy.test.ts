// Which bodies are captured, and how much memory they use.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CapturePolicy,
  pathPattern,
  type CaptureOptions,
} from '../../../../src/telemetry/logs/ingest/capture-policy.ts';
import { InputFigures, inputFiguresMemory } from '../../../../src/telemetry/logs/recorder/input-figures.ts';

const figuresOf = (input: number, memory = inputFiguresMemory(2)) => new InputFigures(memory, input);
const policy = (options: Partial<CaptureOptions> = {}, figures = figuresOf(0), maxHeldBytes?: number) =>
  new CapturePolicy({ capture: 'metadata', routes: [], max_body: 1000, ...options }, figures, maxHeldBytes);
const bytes = (text: string) => Buffer.from(text);

describe('CapturePolicy', () => {
  it('uses the mode of the first matching route, otherwise the default', () => {
    const one = policy({
      routes: [
        { path: '/v1/chat/secret', capture: 'off', follow: true },
        { path: '/v1/chat/', capture: 'full', follow: true },
        { path: '*/completions', capture: 'full', follow: true },
      ],
    });
    expect(one.modeOf('/v1/chat/secret/x')).toBe('off');
    expect(one.modeOf('/v1/chat/x?y=/v1')).toBe('full');
    expect(one.modeOf('/environments/production/sync/v1/completions?a=b')).toBe('full');
    expect(one.modeOf('/v1/completions/more')).toBe('metadata');
    expect(one.modeOf('/x?/v1/chat/')).toBe('metadata');
    expect(one.mayCaptureBodies).toBe(true);
  });

  it('follows bodies except on routes that say otherwise or store nothing', () => {
    const one = policy({
      capture: 'off',
      routes: [
        { path: '/off/', capture: 'off', follow: true },
        { path: '/private/', capture: 'metadata', follow: false },
        { path: '/', capture: 'metadata', follow: true },
      ],
    });
    expect(one.follows('/v1/chat/completions')).toBe(true);
    expect(one.follows('/off/v1')).toBe(false);
    expect(one.follows('/private/v1?x=/v1')).toBe(false);
    expect(policy({ capture: 'off' }).follows('/v1')).toBe(true);
  });

  it('is off only if the default and all routes are off', () => {
    expect(policy({ capture: 'off' }).isOn).toBe(false);
    expect(policy({ capture: 'off', routes: [{ path: '/a', capture: 'metadata', follow: true }] }).isOn).toBe(
      true,
    );
    expect(policy().mayCaptureBodies).toBe(false);
  });

  it('matches a pattern like the equivalent regular expression', () => {
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

describe('a captured body', () => {
  it('has the bytes that were forwarded, for any pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 8 }), (chunks) => {
        const bodies = policy({ capture: 'full', max_body: 10_000 }).open('/')!;
        for (const chunk of chunks) {
          const own = Buffer.from(chunk);
          bodies.request.push(own);
          // The caller reuses the buffer.
          own.fill(0);
        }
        const all = Buffer.concat(chunks);
        const kept = bodies.take().request;
        expect(Buffer.from(kept?.bytes ?? [])).toEqual(all.subarray(0, 10_000));
        expect(kept?.isCut ?? false).toBe(all.length > 10_000);
      }),
    );
  });

  it('may be longer for an event stream, since the stored response is shorter', () => {
    const bodies = policy({ capture: 'full' }).open('/')!;
    bodies.responseBegins('text/event-stream; charset=utf-8', undefined);
    bodies.response.push(Buffer.alloc(15_000, 'x'));
    expect(bodies.take().response).toMatchObject({ isCut: false });
  });

  it('ignores further bytes after it was taken', () => {
    const bodies = policy({ capture: 'full' }).open('/')!;
    bodies.request.push(bytes('a'));
    expect(Buffer.from(bodies.take().request!.bytes).toString()).toBe('a');
    bodies.request.push(bytes('b'));
    expect(bodies.take().request).toBeUndefined();
  });

  it('is limited by a common budget, skipped requests are counted, and taken bodies free their budget', () => {
    const figures = figuresOf(0);
    const one = policy({ capture: 'full', max_body: 8192 }, figures, 20_000);
    const captures = [one.open('/')!, one.open('/')!, one.open('/')!];
    for (const bodies of captures) bodies.response.push(Buffer.alloc(8192));
    const last = captures[2]!.take().response!;
    expect(last).toMatchObject({ isCut: true });
    expect(last.bytes.length).toBe(0);
    expect(one.open('/')).toBeUndefined();
    expect(figures.get('bodiesSkipped')).toBe(1);
    for (const bodies of captures) bodies.take();
    const again = one.open('/')!;
    again.response.push(Buffer.alloc(8192, 'y'));
    expect(again.take().response).toMatchObject({ isCut: false });
  });

  it('is limited by one budget for all data threads', () => {
    const memory = inputFiguresMemory(2);
    const [one, other] = [0, 1].map((input) =>
      policy({ capture: 'full', max_body: 8192 }, figuresOf(input, memory), 20_000),
    ) as [CapturePolicy, CapturePolicy];
    const bodies = one.open('/')!;
    bodies.response.push(Buffer.alloc(8192));
    bodies.request.push(Buffer.alloc(8192));
    expect(other.open('/')).toBeUndefined();
    bodies.take();
    expect(other.open('/')).toBeDefined();
  });
});
