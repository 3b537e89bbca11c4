// Loaded into weir by NODE_OPTIONS (--import): resolves names by the hosts file $TEST_HOSTS, which is read for each
// lookup. A line `! name` makes the lookup fail. Names that are not in the file are resolved normally.
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isIPv6 } from 'node:net';

const { lookup } = dns;

/** @returns {{ address: string, family: number }[] | Error | undefined} */
function found(name) {
  const lines = readFileSync(process.env.TEST_HOSTS, 'utf8')
    .split('\n')
    .map((line) => line.split('#')[0].trim().split(/\s+/))
    .filter(([, ...names]) => names.includes(name));
  if (lines.length === 0 && !name.endsWith('.test')) return undefined;
  const code = lines.length === 0 ? 'ENOTFOUND' : lines.some(([first]) => first === '!') ? 'EAI_AGAIN' : '';
  if (code !== '') return Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code, hostname: name });
  return lines.map(([address]) => ({ address, family: isIPv6(address) ? 6 : 4 }));
}

dns.lookup = (name, options, callback) => {
  const done = callback ?? options;
  const all = found(name);
  if (all === undefined) return lookup(name, options, callback);
  const result =
    all instanceof Error ? [all] : options.all ? [null, all] : [null, all[0].address, all[0].family];
  return process.nextTick(done, ...result);
};
dns.promises.lookup = (name, ...options) =>
  new Promise((resolve, reject) =>
    dns.lookup(name, ...options, (error, ...result) => (error ? reject(error) : resolve(result[0]))),
  );
syncBuiltinESMExports();
