// The addresses of the page: which route and which state an address means, and the address of a state.
// Invariant: `parse(print(place))` is the same place, and equal places have equal addresses.

/** What is shown. `id`: what of it. */
export type Route =
  | { readonly page: 'overview' }
  | { readonly page: 'logs' }
  | { readonly page: 'request'; readonly id: string }
  | { readonly page: 'trace'; readonly id: string }
  | { readonly page: 'find'; readonly id: string }
  | { readonly page: 'monitor' }
  /** `id`: a job, or `new`. */
  | { readonly page: 'exports'; readonly id: string | undefined }
  | { readonly page: 'settings'; readonly section: Section; readonly id: string | undefined }
  | { readonly page: 'unknown'; readonly path: string };

export const SECTIONS = ['connections', 'keys', 'tags', 'scoring', 'prices', 'config'] as const;
export type Section = (typeof SECTIONS)[number];

/** Parameters of the search part. Those that are empty or absent have their default. */
export type Params = Readonly<Record<string, string>>;

/** Route and parameters: the whole state that an address has. */
export interface Place {
  readonly route: Route;
  readonly params: Params;
}

/** The order of parameters in addresses. Others follow in alphabetical order. */
const ORDER: readonly string[] =
  'q env dep since start end kind by vs step chart p top most status find cols dir wrap live open ctx span view lines from'.split(
    ' ',
  );

const ROOT = '/ui';

const segment = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not an encoded text: it is what was typed.
    return text;
  }
};

function routeOf(path: string): Route {
  const parts = path
    .slice(ROOT.length)
    .split('/')
    .filter((part) => part !== '')
    .map(segment);
  const [first, second, third] = parts;
  const unknown: Route = { page: 'unknown', path };
  if (parts.length > 3) return unknown;
  switch (first) {
    case undefined:
      return { page: 'overview' };
    case 'logs':
    case 'monitor':
      return second === undefined ? { page: first } : unknown;
    case 'r':
    case 'trace':
    case 'id': {
      if (second === undefined || third !== undefined) return unknown;
      return { page: first === 'r' ? 'request' : first === 'id' ? 'find' : 'trace', id: second };
    }
    case 'exports':
      return third === undefined ? { page: 'exports', id: second } : unknown;
    case 'settings': {
      const section = SECTIONS.find((one) => one === (second ?? 'connections'));
      return section === undefined ? unknown : { page: 'settings', section, id: third };
    }
    default:
      return unknown;
  }
}

function pathOf(route: Route): string {
  const tail = (...parts: readonly (string | undefined)[]): string =>
    [ROOT, ...parts.filter((part) => part !== undefined).map(encodeURIComponent)].join('/');
  switch (route.page) {
    case 'overview':
      return `${ROOT}/`;
    case 'request':
      return tail('r', route.id);
    case 'find':
      return tail('id', route.id);
    case 'trace':
      return tail('trace', route.id);
    case 'exports':
      return tail('exports', route.id);
    case 'settings':
      return tail('settings', route.section, route.id);
    case 'unknown':
      return route.path;
    default:
      return tail(route.page);
  }
}

/** `address`: path and search part, such as `/ui/logs?q=status:5xx`. */
export function parse(address: string): Place {
  const at = address.indexOf('?');
  const given = [...new URLSearchParams(at === -1 ? '' : address.slice(at + 1))];
  const params = Object.fromEntries(given.filter(([, value]) => value !== ''));
  return { route: routeOf(at === -1 ? address : address.slice(0, at)), params };
}

const rank = (name: string): number => {
  const at = ORDER.indexOf(name);
  return at === -1 ? ORDER.length : at;
};

/** The address of a place. */
export function print({ route, params }: Place): string {
  const names = Object.keys(params)
    .filter((name) => params[name] !== '')
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const search = names
    .map((name) => `${encodeURIComponent(name)}=${readable(encodeURIComponent(params[name]!))}`)
    .join('&');
  return pathOf(route) + (search === '' ? '' : `?${search}`);
}

/** Characters that need no escape in a search part (RFC 3986 3.4), so that people can read queries in addresses. */
const readable = (encoded: string): string =>
  encoded
    .replaceAll('%20', '+')
    .replace(/%(?:3A|2F|3D|3E|3C|2C|40|24|21|2A|28|29)/g, (code) =>
      code === '%3C' || code === '%3E' ? code : decodeURIComponent(code),
    );

/** The address of a page with parameters. */
export const addressOf = (route: Route, params: Params = {}): string => print({ route, params });
