import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import type { PayloadSink } from '../../../src/protocol/http/body-framing.ts';
import { LlmFollower } from '../../../src/protocol/llm/llm-follower.ts';
import { chunk, events, JSON_TYPE, SSE_TYPE, usageChunk } from '../../kit/llm-bodies.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes on the heap and in buffers, after a collection. */
function memory(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const event = Buffer.from(events(chunk({ content: 'a "token" with a text' }), usageChunk));

/** Lets a follower read events, split at many places. */
function read(sink: PayloadSink, count: number): void {
  for (let i = 0; i < count; i++) {
    const cut = i % event.length;
    sink.push(event, 0, cut);
    sink.push(event, cut, event.length);
  }
}

describe('a follower of a model’s response', () => {
  it('holds after 2,000 events no more than 2 KB more than a new one', () => {
    const all = Array.from({ length: 100 }, () => {
      const follower = new LlmFollower();
      follower.requestBegins(JSON_TYPE, undefined);
      return { follower, sink: follower.responseBegins(SSE_TYPE, undefined)! };
    });
    // Compiles the code.
    read(new LlmFollower().responseBegins(SSE_TYPE, undefined)!, 4000);
    const before = memory();
    for (const { sink } of all) read(sink, 1000);
    const held = (memory() - before) / all.length;
    expect(held).toBeLessThan(2048);
    for (const { follower } of all) expect(follower.end(true)).toMatchObject({ contentEvents: 1000 });
  });

  it('parses a few errors of a stream in vain, however many events have one that is not JSON', () => {
    const parse = vi.spyOn(JSON, 'parse');
    const bytes = Buffer.from(
      events({ choices: [], error: 'ERROR' }).replace('"ERROR"', '{"message":bad}').repeat(20_000),
    );
    const follower = new LlmFollower();
    follower.requestBegins(JSON_TYPE, undefined);
    follower.responseBegins(SSE_TYPE, undefined)!.push(bytes, 0, bytes.length);
    const failed = parse.mock.results.filter(({ type }) => type === 'throw').length;
    parse.mockRestore();
    expect(failed).toBeLessThan(100);
  });

  it.each([true, false])('holds nothing of a long body that has ended; whole: %s', (isWhole) => {
    const body = Buffer.from(`{"object":"${'x'.repeat(100_000)}","usage":{"prompt_tokens":1}}`);
    const COUNT = 20;
    const run = (): number => {
      const before = memory();
      const all = Array.from({ length: COUNT }, () => {
        const follower = new LlmFollower();
        follower.requestBegins(JSON_TYPE, undefined)?.push(body, 0, body.length);
        follower.responseBegins(JSON_TYPE, undefined)?.push(body, 0, body.length);
        follower.end(isWhole);
        return follower;
      });
      const after = memory();
      expect(all).toHaveLength(COUNT);
      return (after - before) / COUNT;
    };
    run();
    expect(run()).toBeLessThan(16 * 1024);
  });
});
