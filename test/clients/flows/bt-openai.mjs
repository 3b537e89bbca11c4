// An OpenAI client wrapped by Braintrust's SDK, which sends its trace context to weir's data server. Prints the trace.
import * as bt from 'braintrust';
import OpenAI from 'openai';

const logger = bt.initLogger({ projectName: 'llm', asyncFlush: false, onFlushError: console.error });
const client = bt.wrapOpenAI(new OpenAI({ apiKey: 'sk-x', baseURL: process.env.WEIR_URL }));
const messages = [{ role: 'user', content: 'hi' }];

const trace = await logger.traced(
  async (span) => {
    const headers = bt.injectTraceContext({});
    const plain = await client.chat.completions.create({ model: 'vLLM', messages }, { headers });
    const stream = await client.chat.completions.create(
      { model: 'vLLM', messages, stream: true, stream_options: { include_usage: true } },
      { headers },
    );
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
    span.log({ input: plain.choices[0].message.content, output: text });
    return { id: span.id, trace: span.rootSpanId, span: span.spanId };
  },
  { name: 'chat-handler' },
);
console.log(JSON.stringify({ project: (await logger.project).id, ...trace }));
