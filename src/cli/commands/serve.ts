// weir serve: the sidecar in front of replicas that someone else runs. Also the life of the process: signals, a changed
// configuration or certificate, exit. Must stay true: SIGTERM and SIGINT drain once; a second one ends the drain; the
// exit code of a drain is 0; a configuration or certificate that is wrong changes nothing.
import { readFileSync } from 'node:fs';
import { explain, load, needRestart, problemsInFiles, type Loaded } from '../../config/config.ts';
import { watchFile } from '../../config/watch.ts';
import { startSidecar, type Sidecar } from '../../app/sidecar.ts';
import type { Command } from '../command.ts';
import { optionsHelp } from '../help.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

/** Signals that are for the replica, passed on where weir supervises one. */
const FOR_THE_CHILD = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'] as const;

/** Runs a sidecar until a signal ends it. */
export async function runSidecar(
  args: readonly string[],
  command: readonly string[] | undefined,
): Promise<number> {
  const loaded = load(args, process.env);
  if (!loaded.ok) return printProblems(loaded.problems);
  const problems = problemsInFiles(loaded.config);
  if (problems.length > 0) return printProblems(problems);
  const { cert, key } = loaded.config.ingress.tls;
  /** Files that are looked at while it runs, with what was read in them. */
  const certificates =
    cert === '' ? [] : [cert, key].map((file) => ({ file, text: readFileSync(file, 'utf8') }));
  const isReloadable = loaded.file !== undefined || certificates.length > 0;
  // Heard from the first moment: a signal during the start ends the process as soon as it is up.
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  let signals = 0;
  let hurry: (() => void) | undefined;
  const onSignal = () => {
    if (++signals > 1) hurry?.();
    stop();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // So is the wish to read the configuration anew, which is granted once there is something to bring it to.
  let reload: (() => void) | undefined;
  let isReloadWanted = false;
  if (isReloadable)
    process.on('SIGHUP', () => {
      if (reload) reload();
      else isReloadWanted = true;
    });
  const current = { loaded };
  const sidecar = await startSidecar(loaded.config, command, () =>
    explain(current.loaded.config, current.loaded.given),
  );
  for (const { level, event, fields } of loaded.notices) sidecar.log[level](event, fields);
  hurry = () => sidecar.endDrain();
  // Without a child they mean what they mean to any process: a closed terminal ends it.
  // With a file to read anew, SIGHUP is for weir: the replica may not know what to do with it.
  const passedOn = FOR_THE_CHILD.filter((signal) => signal !== 'SIGHUP' || !isReloadable);
  if (command) for (const signal of passedOn) process.on(signal, () => sidecar.signalChild(signal));
  const takeConfiguration = () => takeOver(load(args, process.env, { rest: false }), sidecar, current);
  const watch = loaded.file && watchFile(loaded.file.path, loaded.file.text, takeConfiguration);
  reload = () => {
    // Read before it is loaded: what changes in between is seen by the watch.
    const text = loaded.file && textOf(loaded.file.path);
    if (text !== undefined) watch?.wasRead(text);
    takeConfiguration();
    sidecar.renewCertificate();
  };
  if (isReloadWanted) reload();
  const watches = certificates.map(({ file, text }) =>
    watchFile(file, text, () => sidecar.renewCertificate()),
  );
  if (watch) watches.push(watch);
  process.on('uncaughtException', (error) => {
    sidecar.log.error('uncaught exception', { error: error.stack ?? String(error) });
    sidecar.log.sink.flush();
    process.exit(EXIT.internal);
  });
  await stopped;
  for (const one of watches) one.stop();
  await sidecar.stop();
  return EXIT.ok;
}

/** The text of a file; `undefined` where it cannot be read, which `load` says. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

type Good = Extract<Loaded, { ok: true }>;

/** Brings a running sidecar to a configuration that was read anew, as far as that goes without a restart. */
function takeOver(wanted: Loaded, sidecar: Sidecar, current: { loaded: Good }): void {
  const problems = wanted.ok ? [sidecar.update(wanted.config.deployments)].filter(Boolean) : wanted.problems;
  if (!wanted.ok || problems.length > 0) {
    sidecar.log.event('configuration_refused', { problems });
    return;
  }
  const restart = needRestart(current.loaded.config, wanted.config);
  // What is in force is shown: of the rest, what was.
  const config = { ...current.loaded.config, deployments: wanted.config.deployments };
  const isOfDeployments = ({ path }: Good['given'][number]) => path[0] === 'deployments';
  const given = [
    ...current.loaded.given.filter((one) => !isOfDeployments(one)),
    ...wanted.given.filter(isOfDeployments),
  ];
  current.loaded = { ...wanted, config, given };
  sidecar.log.event('configuration_reloaded', { take_a_restart: restart.length > 0 ? restart : undefined });
}

export const serve: Command = {
  name: 'serve',
  usage: 'serve --replica URL [--replica URL …] [OPTIONS]',
  summary: 'Stands in front of replicas that already run.',
  details: optionsHelp(),
  run: (args) => runSidecar(args, undefined),
};
