// Makes the calls of conformance cases with @grpc/grpc-js, with raw bytes as messages.
import grpc from '@grpc/grpc-js';
import { fieldOf, type CaseResult, type ClientSteps, type GrpcCase } from './grpc-case.ts';

const bytes = (value: Buffer): Buffer => value;

export const openCaseClient = (port: number): grpc.Client =>
  new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });

/** Metadata as `name: value`. The content type is not of the call, and some clients hide it. */
const fieldsOf = (metadata: grpc.Metadata): string[] =>
  Object.entries(metadata.toHttp2Headers()).flatMap(([name, values]) =>
    name === 'content-type' ? [] : [values as string | string[]].flat().map((value) => `${name}: ${value}`),
  );

function metadataOf({ metadata = [] }: ClientSteps): grpc.Metadata {
  const out = new grpc.Metadata();
  for (const [name, value] of metadata.map(fieldOf))
    out.add(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  return out;
}

/** Makes the call of a case, and resolves to its result. `arrived`: resolves when the replica has what comes before a cancel. */
export function callCase(
  client: grpc.Client,
  path: string,
  { kind, client: steps = {} }: GrpcCase,
  arrived: () => Promise<unknown>,
) {
  return new Promise<CaseResult>((resolve) => {
    const metadata = metadataOf(steps);
    const options = steps.timeout_ms === undefined ? {} : { deadline: Date.now() + steps.timeout_ms };
    const sent = (steps.messages ?? ['request']).map((text) => Buffer.from(text));
    const messages: string[] = [];
    let initial: string[] | null = null;
    let call: grpc.Call;
    const got = (message: Buffer | undefined) => {
      if (message === undefined) return;
      messages.push(message.toString());
      if (typeof steps.cancel === 'object' && messages.length === steps.cancel.after_responses) call.cancel();
    };
    const done = (_error: unknown, message: Buffer | undefined) => got(message);
    if (kind === 'unary')
      call = client.makeUnaryRequest(path, bytes, bytes, sent[0]!, metadata, options, done);
    else if (kind === 'server') {
      const reader = client.makeServerStreamRequest(path, bytes, bytes, sent[0]!, metadata, options);
      reader.on('data', got);
      call = reader;
    } else if (kind === 'client') {
      const writer = client.makeClientStreamRequest(path, bytes, bytes, metadata, options, done);
      for (const message of sent) writer.write(message);
      end(writer, steps, arrived);
      call = writer;
    } else {
      const both = client.makeBidiStreamRequest(path, bytes, bytes, metadata, options);
      call = both;
      const next = () => {
        const message = sent.shift();
        if (message !== undefined) both.write(message);
        if (sent.length === 0) end(both, steps, arrived);
      };
      both.on('data', (message: Buffer) => {
        got(message);
        if (steps.full_duplex === true && sent.length > 0) next();
      });
      if (sent.length === 0) end(both, steps, arrived);
      else if (steps.full_duplex === true) next();
      else while (sent.length > 0) next();
    }
    const events = call as unknown as NodeJS.EventEmitter;
    events.on('error', () => undefined);
    events.on('metadata', (head: grpc.Metadata) => (initial = fieldsOf(head)));
    events.on('status', ({ code, details, metadata: trailers }: grpc.StatusObject) =>
      // The callback of a unary call comes after its status.
      setImmediate(() =>
        resolve({
          code,
          message: (details as string | undefined) ?? '',
          initial,
          messages,
          trailers: fieldsOf(trailers),
        }),
      ),
    );
    // Without a side to end, the request ends with its only message.
    if ((kind === 'unary' || kind === 'server') && steps.cancel === 'after_end') cancelAfter(call, arrived);
  });
}

const cancelAfter = (call: grpc.Call, arrived: () => Promise<unknown>): void =>
  void arrived().then(() => call.cancel());

function end(
  call: grpc.ClientWritableStream<Buffer>,
  { keep_open, cancel }: ClientSteps,
  arrived: () => Promise<unknown>,
): void {
  if (cancel === 'before_end') return cancelAfter(call, arrived);
  if (keep_open !== true) call.end();
  if (cancel === 'after_end') cancelAfter(call, arrived);
}
