// One create of an export with Portkey's client. Prints the id.
import { Portkey } from 'portkey-ai';

const client = new Portkey({ apiKey: process.env.KEY, baseURL: process.env.BASE_URL });
const { id } = await client.logs.exports.create({ filters: { ai_model: 'm' }, requestedData: ['id'] });
console.log(id);
