// A chat completion with Portkey's client, through weir's data server.
import Portkey from 'portkey-ai';

const client = new Portkey({ apiKey: 'test', baseURL: process.env.WEIR_URL });

async function main(): Promise<void> {
  const answer = await client.chat.completions.create({
    model: 'model',
    messages: [{ role: 'user', content: 'Hello' }],
  });
  console.log(JSON.stringify(answer.choices[0]?.message?.content));
}

void main();
