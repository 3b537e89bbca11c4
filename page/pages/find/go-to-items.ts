// What the list of places and commands offers for a text.
// Invariant: pure; the first item is what Enter opens, and an id comes before all else.
import type { FindJson, FoundJson } from '../../../src/control/admin/records/find-json.ts';
import { addressOf, type Params, type Route, type Section } from '../../routes.ts';
import type { IconName } from '../../parts/icons.tsx';
import { addressOfFound, KIND_NAMES } from './found-place.ts';
import { asQuery, idOf, oneOf, SHAPE_NAMES, shapesOf } from './id-shape.ts';

export interface GoToItem {
  readonly id: string;
  readonly icon: IconName;
  readonly shown: string;
  /** True: shown in the font of code. */
  readonly isCode?: boolean;
  /** Part of `shown` that was typed. */
  readonly marked?: string;
  readonly note?: string;
  /** Name of its key in the table of keys, or a text such as `Ctrl Enter`. */
  readonly hint?: string;
  /** Where it leads. Without one it is a command. */
  readonly address?: string;
  /** What Ctrl Enter asks in Logs; otherwise the typed text. */
  readonly q?: string;
}

export interface GoToGroup {
  readonly title: string;
  readonly items: readonly GoToItem[];
  /** Said below the items. */
  readonly says?: string;
}

export interface GoToFacts {
  readonly text: string;
  /** Answer about the typed id; `undefined`: there is none yet. */
  readonly found: FindJson | undefined;
  /** One line about a found record: its status, replica and time. */
  readonly describe: (found: FoundJson) => string;
  readonly settings: readonly string[];
  readonly questions: readonly string[];
  readonly replicas: readonly { readonly deployment: string; readonly id: string; readonly state: string }[];
  readonly here: { readonly route: Route; readonly params: Params };
  readonly zone: 'UTC' | 'local';
  /** Name of the zone of the browser. */
  readonly localZone: string;
  readonly isDark: boolean;
}

const LIMIT = 6;

const PAGES: readonly (readonly [string, IconName, Route, string])[] = [
  ['Overview', 'info', { page: 'overview' }, 'health replicas scaling'],
  ['Logs', 'search', { page: 'logs' }, 'search records live tail'],
  ['Monitor', 'bolt', { page: 'monitor' }, 'charts latency cost'],
  ['Exports', 'download', { page: 'exports', id: undefined }, 'download jobs'],
  ...(
    [
      ['connections', 'Settings: connections', 'otlp exporters destinations'],
      ['keys', 'Settings: API keys', 'key scope'],
      ['tags', 'Settings: tags', ''],
      ['scoring', 'Settings: online scoring', 'rules judge'],
      ['prices', 'Settings: prices', 'cost model'],
      ['config', 'Settings: configuration', 'yaml options'],
    ] satisfies readonly (readonly [Section, string, string])[]
  ).map(([section, shown, words]): readonly [string, IconName, Route, string] => [
    shown,
    'gear',
    { page: 'settings', section, id: undefined },
    words,
  ]),
];

/** True if each word that was typed occurs. */
const hasWords = (typed: string, text: string): boolean =>
  typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.toLowerCase().includes(word));

/** The groups that have something to offer. */
export function goToGroups(facts: GoToFacts): readonly GoToGroup[] {
  const text = facts.text.trim();
  if (text === '') return withOffers([questionGroup(facts, 3), pageGroup(text), doGroup(facts)]);
  const places = [pageGroup(text), doGroup(facts)].map((group) => bestFirst(group, text));
  // A page or command whose name is typed comes before the search for the text.
  const named = places.filter(({ items }) => items[0] !== undefined && isNamed(items[0], text));
  const others = places.filter((group) => !named.includes(group));
  return withOffers([idGroup(facts), ...named, logsGroup(facts), settingGroup(facts), ...others]);
}

const isNamed = ({ shown }: GoToItem, text: string): boolean =>
  shown.toLowerCase().startsWith(text.toLowerCase());

const bestFirst = ({ items, ...group }: GoToGroup, text: string): GoToGroup => ({
  ...group,
  items: [...items].sort((a, b) => Number(isNamed(b, text)) - Number(isNamed(a, text))),
});

const withOffers = (groups: readonly GoToGroup[]): readonly GoToGroup[] =>
  groups.filter(({ items, says }) => items.length > 0 || says !== undefined);

function idGroup({ text, found, describe }: GoToFacts): GoToGroup {
  const id = idOf(text);
  const shapes = shapesOf(id);
  const names = shapes.map((shape) => SHAPE_NAMES[shape]!);
  // A word without the form of weir's ids counts as an id only if something has it.
  const isForeign = shapes[0] === 'foreign' && (found === undefined || found.found.length === 0);
  if (shapes.length === 0 || isForeign) return { title: '', items: [] };
  if (found === undefined)
    return {
      title: `Looks like ${oneOf(names)}`,
      items: [
        {
          id: 'id',
          icon: 'arrow',
          shown: id,
          isCode: true,
          address: addressOf({ page: 'find', id }),
          q: asQuery(id),
        },
      ],
    };
  const items = found.found.map((one): GoToItem => ({
    id: `found ${one.kind} ${one.id} ${one.place ?? ''}`,
    icon: 'arrow',
    shown: one.id,
    isCode: true,
    marked: id,
    note: describe(one),
    address: addressOfFound(one),
    q: asQuery(id),
  }));
  const says =
    items.length === 0
      ? `Nothing has this id. It was looked up as ${oneOf(found.tried.map((one) => SHAPE_NAMES[one]!))}.`
      : undefined;
  const kinds = [...new Set(found.found.map(({ kind }) => KIND_NAMES[kind]))];
  const isEnd = found.tried.includes('request_end') && found.found.some((one) => one.id !== id);
  return {
    title:
      items.length === 0
        ? 'Id'
        : kinds.join(', ') +
          (isEnd ? ', by the end of the id' : '') +
          (found.is_partial ? '; there may be more' : ''),
    items,
    ...(says === undefined ? {} : { says }),
  };
}

const pageGroup = (text: string): GoToGroup => ({
  title: 'Pages',
  items: PAGES.filter(([shown, , , words], i) =>
    text === '' ? i < 4 : hasWords(text, `${shown} ${words}`),
  ).map(([shown, icon, route]) => ({
    id: `page ${shown}`,
    icon,
    shown,
    address: addressOf(route),
    ...(route.page === 'settings' ? {} : { hint: route.page }),
  })),
});

const asked = (text: string): GoToItem => ({
  id: `question ${text}`,
  icon: 'clock',
  shown: text,
  isCode: true,
  note: 'recent query',
  address: addressOf({ page: 'logs' }, { q: text }),
  q: text,
});

const questionGroup = ({ questions }: GoToFacts, limit: number): GoToGroup => ({
  title: 'Logs',
  items: questions.slice(0, limit).map(asked),
});

function logsGroup({ text, questions }: GoToFacts): GoToGroup {
  const q = asQuery(text.trim());
  return {
    title: 'Logs',
    items: [
      {
        id: 'records',
        icon: 'search',
        shown: `Records that contain ${text.trim()}`,
        hint: 'Ctrl Enter',
        address: addressOf({ page: 'logs' }, { q }),
        q,
      },
      ...questions
        .filter((one) => hasWords(text.trim(), one))
        .slice(0, 3)
        .map(asked),
    ],
  };
}

const settingGroup = ({ text, settings }: GoToFacts): GoToGroup => ({
  title: 'Settings',
  items: settings
    .filter((key) => hasWords(text.trim(), key))
    .slice(0, LIMIT)
    .map((key) => ({
      id: `setting ${key}`,
      icon: 'gear',
      shown: key,
      isCode: true,
      address: addressOf({ page: 'settings', section: 'config', id: undefined }, { find: key }),
    })),
});

function doGroup({ text, replicas, here, zone, localZone, isDark }: GoToFacts): GoToGroup {
  const typed = text.trim();
  const { q = '', env = '', dep = '', since = '', start = '', end = '' } = here.params;
  const isSeen = here.route.page === 'logs' || here.route.page === 'monitor';
  const commands: readonly (GoToItem & { readonly words: string })[] = [
    {
      id: 'zone',
      icon: 'globe',
      shown: `Show times in ${zone === 'local' ? 'UTC' : localZone === 'UTC' ? 'local time' : localZone}`,
      words: 'time zone local utc',
      hint: 'zone',
    },
    {
      id: 'theme',
      icon: isDark ? 'sun' : 'moon',
      shown: isDark ? 'Light theme' : 'Dark theme',
      words: 'colours light dark',
    },
    { id: 'drain', icon: 'stop', shown: 'Drain a replica…', words: '' },
    {
      id: 'export',
      icon: 'download',
      shown: isSeen ? 'Export what is shown' : 'New export',
      words: 'request download',
      address: addressOf({ page: 'exports', id: 'new' }, isSeen ? { q, env, dep, since, start, end } : {}),
    },
    { id: 'link', icon: 'link', shown: 'Copy the link', words: 'address share', hint: 'link' },
    { id: 'help', icon: 'info', shown: 'Keys', words: 'help shortcuts', hint: 'help' },
  ];
  const drains = replicas
    .filter(({ state }) => state === 'ready')
    .map(({ deployment, id }): GoToItem => ({
      id: `drain ${deployment}/${id}`,
      icon: 'stop',
      shown: `Drain ${id}`,
      note: deployment,
    }))
    .filter(({ shown, note }) => typed !== '' && hasWords(typed, `${shown} ${note} replica`))
    .slice(0, LIMIT);
  return {
    title: 'Do',
    items: [
      ...commands
        .filter(({ id, shown, words }) =>
          id === 'drain'
            ? drains.length === 0 && hasWords(typed, shown)
            : hasWords(typed, `${shown} ${words}`),
        )
        .map(({ words: _words, ...item }) => item),
      ...drains,
    ],
  };
}
