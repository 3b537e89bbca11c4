// The overview of a weir that has had no request yet: two commands to send one.
// Invariant: the commands have the real address of the data server; the overview appears by itself after the first request.
import type { JSX } from 'preact';
import type { OverviewJson } from '../../../src/control/admin/overview/overview-json.ts';
import { Copy, State } from '../../parts/basics.tsx';
import { STATE_SHAPES } from './replica-facts.ts';

/** `url`: the base address of the data server; null: it cannot be known. */
export const FirstRun = ({
  overview,
  url,
  model,
}: {
  readonly overview: OverviewJson;
  readonly url: string | null;
  readonly model: string;
}): JSX.Element => {
  const base = url ?? 'http://127.0.0.1:8080';
  const commands = [
    `curl -i ${base}/production/predict -d '{"prompt": "The river"}'`,
    `curl -N ${base}/v1/chat/completions -d '${JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'Hello' }] }).replaceAll("'", "'\\''")}'`,
  ];
  return (
    <section class="panel full first">
      <h2>weir is ready for its first request</h2>
      {commands.map((command) => (
        <div class="cmd" key={command}>
          <pre>{command}</pre>
          <Copy text={command} label="Copy the command" />
        </div>
      ))}
      {url === null && (
        <p class="hint">
          The address is that of weir's default settings. It is the setting <code>ingress.listen</code> of
          this weir.
        </p>
      )}
      <p class="row" role="status">
        {overview.replicas.slice(0, 4).map(({ id, state }) => (
          <State key={id} shape={STATE_SHAPES[state]}>
            {id} is {state}
          </State>
        ))}
        <span class="dim">Waiting for the first request…</span>
      </p>
    </section>
  );
};
