// weir keys: makes, lists and removes keys of a running weir, and makes entries for the key file.
// Invariant: a key is printed once, by the command that makes it. `hash` reads it from stdin, since other users of the
// machine see arguments.
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { unknownName } from '../../core/nearest-name.ts';
import { digestOf, LIMIT_NAMES, newSecret, readNewKey } from '../../core/keys/api-key.ts';
import type { KeyObject } from '../../core/keys/key-store.ts';
import { SCOPES } from '../../core/keys/scopes.ts';
import type { Command } from '../command.ts';
import { CLIENT_FILES_HELP } from '../client-tls.ts';
import { AdminError, callAdmin, CODES, type AdminTarget } from '../logs/admin-client.ts';
import { adminTarget, TARGET_FLAGS } from '../logs/admin-target.ts';
import { printProblems } from '../usage-errors.ts';

const DETAILS = `Commands:
  create                 Makes a key and prints it. It is not shown again
  list                   Prints all keys: id, name, scopes, end
  revoke ID              Removes a key, with immediate effect
  hash                   Reads a key from stdin and prints its SHA-256 for client_keys.file

Properties of a new key:
  --name NAME            Name of the client or its owner; several keys may have one name
  --scope SCOPE          ${SCOPES.join(', ')}; may be repeated
  --expires TIME         ISO 8601, such as 2030-01-01
  --deployment ID, --environment NAME, --route PATH
                         What a client may reach; may be repeated; all if it is not given. PATH may have *
  --requests-per-second N, --concurrency N, --tokens-per-minute N, --cost-per-day N
                         Limits of a client
  --offline              Make the key here, and print its entry for client_keys.file

Output of list:
  -o, --output FORMAT    text or json [text]

Connection:
  --url URL              URL of the admin server: http://…, https://… or unix:/path [WEIR_CLIENT_URL, http://127.0.0.1:9464]
  --key KEY              API key with the scope admin [WEIR_CLIENT_KEY]
${CLIENT_FILES_HELP}

Exit codes: those of weir logs.`;

const one = { type: 'string' } as const;
const many = { type: 'string', multiple: true } as const;
const FLAGS = {
  ...TARGET_FLAGS,
  name: one,
  scope: many,
  expires: one,
  deployment: many,
  environment: many,
  route: many,
  'requests-per-second': one,
  concurrency: one,
  'tokens-per-minute': one,
  'cost-per-day': one,
  offline: { type: 'boolean' },
  output: { type: 'string', short: 'o' },
} as const;

const WORDS = ['create', 'list', 'revoke', 'hash'] as const;

/** Reads the arguments, or throws a TypeError that says what is wrong with them. */
const parse = (args: readonly string[]) =>
  parseArgs({ args: [...args], options: FLAGS, allowPositionals: true, strict: true });
type Values = ReturnType<typeof parse>['values'];

/** The properties of a new key as the admin API takes them. It checks them. */
function wantedKey(values: Values): object {
  const { name, scope = [], expires, deployment, environment, route } = values;
  const limits = LIMIT_NAMES.flatMap((limit) => {
    const given = values[limit.replaceAll('_', '-') as keyof Values];
    return given === undefined ? [] : [[limit, Number(given)] as const];
  });
  return {
    name,
    scopes: scope.flatMap((word) => word.split(',')),
    ...(expires !== undefined && { expires_at: expires }),
    ...(deployment && { deployments: deployment }),
    ...(environment && { environments: environment }),
    ...(route && { routes: route }),
    ...(limits.length > 0 && { limits: Object.fromEntries(limits) }),
  };
}

/** Makes a key without a server: prints it, and its entry for the key file. */
function createOffline(wanted: object): number {
  const key = readNewKey(wanted, Date.now());
  if (Array.isArray(key)) return printProblems(key);
  const secret = newSecret();
  process.stdout.write(`${secret}\n${JSON.stringify({ ...wanted, sha256: digestOf(secret) })}\n`);
  return CODES.ok;
}

async function create(target: AdminTarget, wanted: object): Promise<number> {
  const made = (await callAdmin(target, 'POST', '/v1/keys', wanted)) as KeyObject & { key: string };
  process.stderr.write(`weir: made ${made.id}; this key is not shown again\n`);
  process.stdout.write(`${made.key}\n`);
  return CODES.ok;
}

async function list(target: AdminTarget, isJson: boolean): Promise<number> {
  const answer = (await callAdmin(target, 'GET', '/v1/keys')) as { readonly keys: readonly KeyObject[] };
  if (isJson) process.stdout.write(`${JSON.stringify(answer.keys, null, 2)}\n`);
  else
    for (const { id, name, scopes, expires_at, source } of answer.keys)
      process.stdout.write(
        // JSON quoting: control characters of a name must not reach the terminal.
        `${id.padEnd(21)}  ${JSON.stringify(name)}  ${scopes.join(',')}` +
          `${expires_at === null ? '' : `  until ${expires_at}`}${source === undefined ? '' : `  (${source})`}\n`,
      );
  return CODES.ok;
}

async function printHash(): Promise<number> {
  const key = (await text(process.stdin)).trim();
  if (key === '' || /\s/.test(key)) return printProblems(['stdin must have one key, without spaces']);
  process.stdout.write(`${digestOf(key)}\n`);
  return CODES.ok;
}

async function run(word: string, id: string | undefined, values: Values): Promise<number> {
  const problems: string[] = [];
  const target = adminTarget(values, process.env, problems);
  const { output = 'text' } = values;
  if (word === 'revoke' && id === undefined)
    problems.push('revoke: needs the id of a key; weir keys list prints them');
  if (output !== 'text' && output !== 'json')
    problems.push(`--output: is ${JSON.stringify(output)}, must be text or json`);
  if (target === undefined || problems.length > 0) return printProblems(problems);
  if (word === 'hash') return printHash();
  if (word === 'list') return list(target, output === 'json');
  if (word === 'create')
    return values.offline === true ? createOffline(wantedKey(values)) : create(target, wantedKey(values));
  await callAdmin(target, 'DELETE', `/v1/keys/${encodeURIComponent(id!)}`);
  return CODES.ok;
}

export const keys: Command = {
  usage: 'keys create|list|revoke|hash [OPTIONS]',
  details: () => DETAILS,
  async run(args) {
    let parsed;
    try {
      parsed = parse(args);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return printProblems([error.message]);
    }
    const [word, id, ...more] = parsed.positionals;
    const known = WORDS.find((name) => name === word);
    if (known === undefined)
      return printProblems([
        word === undefined ? `give a command: ${WORDS.join(', ')}` : unknownName('command', word, WORDS),
      ]);
    const extra = known === 'revoke' ? more[0] : id;
    if (extra !== undefined)
      return printProblems([`unexpected argument ${JSON.stringify(extra)}; see weir keys --help`]);
    try {
      return await run(known, id, parsed.values);
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      process.stderr.write(`weir: ${error.message}\n`);
      return error.code;
    }
  },
};
