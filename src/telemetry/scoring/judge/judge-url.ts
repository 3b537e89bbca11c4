// The URL of a judge: OpenAI's base URL (https://api.openai.com/v1), a server alone, or the whole URL.

const PATH = '/chat/completions';

/** The URL that is called. A server without a path gets `/v1`, as all of them have it there. */
export function completionsUrl(text: string): string {
  const url = new URL(text);
  const path = url.pathname.replace(/\/+$/, '');
  if (!path.endsWith(PATH)) url.pathname = `${path === '' ? '/v1' : path}${PATH}`;
  return url.href;
}
