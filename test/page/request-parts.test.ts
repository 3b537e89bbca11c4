// Parts of the page of a request: curl, sentences about bodies, bytes, conditions, places in a list, additions.
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { withChanges, type Change } from '../../page/pages/request/attached.ts';
import { bodyNotes } from '../../page/pages/request/body-notes.ts';
import { curlOf } from '../../page/pages/request/curl.ts';
import { bytesOfBase64, hexLines } from '../../page/pages/request/hex.ts';
import { ListWalk, type ReadPage, type Standing } from '../../page/pages/request/list-walk.ts';
import { queryTerm } from '../../page/pages/request/query-term.ts';
import { jsonPath, jsonPreview } from '../../page/parts/json-paths.ts';
import { tagColor } from '../../page/parts/tag-color.ts';
import type { RequestJson, ShownBody } from '../../src/control/admin/records/request-json.ts';

const NO_BODY: ShownBody = { state: 'not_kept', bytes: 0, kept_bytes: 0, reason: 'none' };
const kept = (text: string): ShownBody => ({
  state: 'kept',
  bytes: text.length,
  kept_bytes: text.length,
  text,
});

const details = (more: Partial<RequestJson> = {}): RequestJson => ({
  log: {
    timestamp: '2026-11-27T03:14:18.220Z',
    timestamp_ns: '1795742058220000000',
    seq: 1,
    kind: 'request',
    message: '',
    attributes: { method: 'POST', path: '/v1/chat/completions' },
  },
  place: '1',
  lines_count: 0,
  trace_id: null,
  bodies: { request: NO_BODY, response: NO_BODY },
  headers: { request: null, response: null },
  usage: null,
  scores: [],
  feedback: [],
  comments: [],
  tags: [],
  siblings: [],
  task: null,
  ...more,
});

describe('curl of a request', () => {
  const withBody = (text: string): string =>
    curlOf(details({ bodies: { request: kept(text), response: NO_BODY } }), 'http://127.0.0.1:8080');

  it('sends the stored body byte for byte, whatever is in it', () => {
    const body = `{"a": "it's $HOME \`id\` \\\\ END"}\nEND\n\tx`;
    const command = withBody(body);
    // What the shell gives curl: its arguments, and the here-document as its input.
    const shown = execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; cat; }\n${command}`], {
      encoding: 'utf8',
      env: { WEIR_KEY: 'from the environment' },
    });
    expect(shown.endsWith(`${body}\n`)).toBe(true);
    expect(shown).toContain('http://127.0.0.1:8080/v1/chat/completions\n');
    const other = execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }\n${command}`], {
      encoding: 'utf8',
      env: { WEIR_URL: 'https://weir.example' },
    });
    expect(other).toContain('https://weir.example/v1/chat/completions\n');
  });

  it('names the variable of the key, never a key', () => {
    const command = curlOf(
      details({
        headers: {
          request: { authorization: 'Bearer weir_secret', 'x-api-key': 'k', 'x-team': 'a' },
          response: null,
        },
        bodies: { request: kept('{}'), response: NO_BODY },
      }),
      'http://127.0.0.1:8080',
    );
    expect(command).toContain('"Authorization: Bearer $WEIR_KEY"');
    expect(command).not.toContain('weir_secret');
    expect(command).not.toMatch(/x-api-key/i);
    expect(command).toContain(`-H 'x-team: a'`);
  });

  it('says that a body is not stored as a whole', () => {
    const cut: ShownBody = { ...kept('{"a'), state: 'cut', bytes: 900 };
    const command = curlOf(details({ bodies: { request: cut, response: NO_BODY } }), 'http://h');
    expect(command).toMatch(/^# The body of this request is not stored as a whole\./);
    expect(command).not.toContain('{"a');
  });
});

describe('sentences about bodies', () => {
  it('says which setting kept bodies out, and their sizes', () => {
    const body = (bytes: number): ShownBody => ({
      state: 'not_kept',
      bytes,
      kept_bytes: 0,
      reason: 'not_captured',
      setting: { name: 'logs.capture', value: 'metadata' },
    });
    const [note, ...rest] = bodyNotes(body(1240), body(1));
    expect(rest).toEqual([]);
    expect(note!.text.replaceAll('\u202f', ' ')).toBe(
      'The bodies of this request were not kept. 1 240 bytes came in, 1 byte went out.',
    );
    expect(note!.setting).toEqual({ name: 'logs.capture', value: 'metadata' });
  });

  it('says how much of a cut body is there, and why another is not', () => {
    const cut: ShownBody = { state: 'cut', bytes: 2_100_000, kept_bytes: 262_144, text: '{' };
    const binary: ShownBody = {
      state: 'not_kept',
      bytes: 9,
      kept_bytes: 0,
      reason: 'other',
      reason_text: 'binary',
    };
    expect(bodyNotes(cut, binary).map(({ text }) => text)).toEqual([
      'Only the first 256 KiB of 2.10 MB of the request body are stored.',
      'The response body was not kept: it is not text.',
    ]);
  });

  it('says nothing of bodies that are whole, or that never were', () => {
    expect(bodyNotes(kept('{}'), NO_BODY)).toEqual([]);
    expect(bodyNotes(NO_BODY, NO_BODY)).toEqual([]);
  });
});

describe('bytes', () => {
  it('shows sixteen bytes a line with their characters', () => {
    const bytes = bytesOfBase64(Buffer.from('GIF89a\u0000\u0001 and more text').toString('base64'));
    expect(hexLines(bytes, 0, 100)).toBe(
      [
        '00000000  47 49 46 38 39 61 00 01  20 61 6e 64 20 6d 6f 72  |GIF89a.. and mor|',
        '00000010  65 20 74 65 78 74                                 |e text|',
      ].join('\n'),
    );
    expect(hexLines(bytes, 0, 4)).toBe(`00000000  47 49 46 38${' '.repeat(39)}|GIF8|`);
  });
});

describe('colours of tags', () => {
  it('shows tokens and hexadecimal colours, and nothing else', () => {
    expect(tagColor('s2')).toBe('var(--s2)');
    expect(tagColor('#ff8800')).toBe('#ff8800');
    expect(tagColor('url(//x.example)')).toBe('var(--s6)');
    expect(tagColor(null)).toBe('var(--s6)');
  });
});

describe('conditions of values', () => {
  it('quotes values that the query language would read otherwise', () => {
    expect(queryTerm('metadata.tier', 'pro')).toBe('metadata.tier:pro');
    expect(queryTerm('input_tokens', 12)).toBe('input_tokens:12');
    expect(queryTerm('user', 'a b')).toBe('user:"a b"');
    expect(queryTerm('user', 'or')).toBe('user:"or"');
    expect(queryTerm('user', 'x*')).toBe('user:"x*"');
    expect(queryTerm('user', '"')).toBe('user:"\\""');
  });
});

describe('paths and previews of JSON', () => {
  it('writes paths as programs do', () => {
    expect(jsonPath(['messages', 0, 'content'])).toBe('messages[0].content');
    expect(jsonPath(['a b', 'c'])).toBe('["a b"].c');
  });

  it('shows a few members of a value', () => {
    expect(jsonPreview({ a: 1, b: 'x', c: [1], d: {}, e: null })).toBe(
      '{a: 1, b: "x", c: […], d: {…}, 1 more}',
    );
    expect(jsonPreview([])).toBe('[]');
    expect(jsonPreview('y'.repeat(50))).toBe(`"${'y'.repeat(40)}…"`);
  });
});

describe('the place of a request in its list', () => {
  /** A list of requests with lines between them, in pages of two. */
  const listOf = (...ids: readonly string[]): { readonly walk: ListWalk; readonly pages: () => number } => {
    let pages = 0;
    const read: ReadPage = ({ cursor = '0' }) => {
      pages++;
      const from = Number(cursor);
      const logs = ids.slice(from, from + 2).map((id) => (id === '' ? {} : { request_id: id }));
      return Promise.resolve({
        ok: true,
        value: { logs, ...(from + 2 < ids.length ? { cursor: String(from + 2) } : {}) },
      });
    };
    return { walk: new ListWalk({}, 0, read), pages: () => pages };
  };
  const standingOf = async (walk: ListWalk, id: string): Promise<Standing> => {
    const found = await walk.find(id);
    if (found === undefined || 'status' in found) throw new Error(`${id} was not found`);
    return found;
  };

  it('goes over the borders of pages in the order of the list, past lines of the same request', async () => {
    const { walk } = listOf('a', '', 'a', 'b', 'b', 'c', '', 'd');
    const order = ['a'];
    for (let next = (await standingOf(walk, 'a')).next; next !== undefined;)
      next = (await standingOf(walk, (order.push(next), next))).next;
    expect(order).toEqual(['a', 'b', 'c', 'd']);
    expect(await standingOf(walk, 'c')).toEqual({
      previous: 'b',
      next: 'd',
      position: 3,
      count: 4,
      isWhole: true,
    });
  });

  it('reads only as far as it needs to, and each page once', async () => {
    const { walk, pages } = listOf('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
    const [one, two] = await Promise.all([standingOf(walk, 'b'), standingOf(walk, 'b')]);
    expect(one).toEqual({ previous: 'a', next: 'c', position: 2, count: 4, isWhole: false });
    expect(two).toEqual(one);
    expect(pages()).toBe(2);
  });

  it('knows that a request is not in the list', async () => {
    expect(await listOf('a', 'b').walk.find('x')).toBeUndefined();
  });

  it('tells why the list could not be read', async () => {
    const error = { status: 400, message: 'Invalid query', code: '', requestId: undefined, problems: [] };
    const walk = new ListWalk({}, 0, () => Promise.resolve({ ok: false, error }));
    expect(await walk.find('a')).toEqual(error);
  });
});

describe('additions to a request', () => {
  const change = (more: Partial<Change>): Change => ({
    id: 1,
    added: undefined,
    removed: undefined,
    atMs: 0,
    savedMs: undefined,
    ...more,
  });
  const at = '2026-11-27T03:14:18.220Z';

  it('shows what is on its way, marked, with its author', () => {
    const { comments, tags } = withChanges(
      details(),
      [
        change({ added: { kind: 'comment', text: 'look' } }),
        change({ added: { kind: 'tag', tag: 'triage' }, savedMs: 5 }),
      ],
      'mara',
    );
    expect(comments).toMatchObject([{ text: 'look', by: 'mara', isSaving: true }]);
    expect(tags).toMatchObject([{ tag: 'triage', isSaving: false }]);
  });

  it('puts a new value of a score in the place of the old one', () => {
    const before = details({ scores: [{ name: 'Grounded', value: 0.2, timestamp: at }] });
    const { scores } = withChanges(
      before,
      [change({ added: { kind: 'score', name: 'Grounded', value: 1 } })],
      undefined,
    );
    expect(scores).toMatchObject([{ name: 'Grounded', value: 1, isSaving: true }]);
  });

  it('hides what is being taken back', () => {
    const before = details({
      comments: [
        { text: 'a', timestamp: at, annotation_id: 'x' },
        { text: 'b', timestamp: at, annotation_id: 'y' },
      ],
      feedback: [{ id: 'f', value: 10, weight: 1, timestamp: at }],
    });
    const after = withChanges(before, [change({ removed: 'x' }), change({ id: 2, removed: 'f' })], undefined);
    expect(after.comments.map(({ text }) => text)).toEqual(['b']);
    expect(after.feedback).toEqual([]);
  });
});
