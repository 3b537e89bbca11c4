// Calls of Portkey's client that fail. Prints what the client throws for each, as a line of JSON.
import { Portkey } from 'portkey-ai';

const { BASE_URL: baseURL, KEY: apiKey, WRITE_KEY: writeKey } = process.env;
const client = new Portkey({ apiKey, baseURL });
const { exports } = client.logs;

async function tell(name, call) {
  try {
    console.log(JSON.stringify({ name, answer: await call() }));
  } catch (error) {
    const { status, message, error: body } = error;
    console.log(JSON.stringify({ name, thrown: error.constructor.name, status, message, body }));
  }
}

const unknown = '6a1d0c7e-5a0f-4b35-9d6b-0b8a2a1c9e10';
const draft = await exports.create({ filters: {} });
await tell('unknown filter', () => exports.create({ filters: { ai_modle: 'm' } }));
await tell('wrong key', () => new Portkey({ apiKey: 'wrong', baseURL }).logs.exports.list({}));
await tell('key without the scope', () => new Portkey({ apiKey: writeKey, baseURL }).logs.exports.list({}));
await tell('unknown export', () => exports.retrieve({ exportId: unknown }));
await tell('wrong state', () => exports.cancel({ exportId: draft.id }));
await tell('full store', () =>
  client.logs.create({ request: { url: 'u', body: {} }, response: { body: {} } }),
);
await tell('weir fails', () => exports.start({ exportId: draft.id }));
await tell('id left out', () => new Portkey({ apiKey: writeKey, baseURL }).feedback.update({ value: 1 }));
