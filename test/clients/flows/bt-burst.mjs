// Many rows at once, and one large row, with Braintrust's SDK. Arguments: number of rows, characters of the large one.
import * as bt from 'braintrust';

const [count, characters] = process.argv.slice(2).map(Number);
const logger = bt.initLogger({ projectName: 'burst', onFlushError: console.error });
for (let i = 0; i < count; i++) logger.log({ input: i, metadata: { i } });
await logger.flush();
logger.log({ id: 'large', input: 'x'.repeat(characters) });
await logger.flush();
console.log(JSON.stringify({ project: (await logger.project).id }));
