// weir serve, and the life of the process that weir run shares: signals, reload, exit.
// Invariant: the first SIGTERM or SIGINT drains, a second one ends the drain at once, and the exit code is 0. A weir that
// was replaced drains without a limit; the first signal then sets the limit.
import { LAUNCHER_VARIABLE, load, problemsInFiles } from '../../config/config.ts';
import { sourceStack } from '../../core/source-stack.ts';
import { startSidecar } from '../../app/sidecar.ts';
import type { Command } from '../command.ts';
import { optionsHelp } from '../help.ts';
import { Reloader } from '../reloader.ts';
import { notifySystemd } from '../systemd.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

/** Signals that weir passes on to its child process. */
const FOR_THE_CHILD = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'] as const;

/** Runs a sidecar until a signal ends it. `command`: the program of the child process, if there is to be one. */
export async function runSidecar(
  args: readonly string[],
  command: readonly string[] | undefined,
): Promise<number> {
  const loaded = load(args, process.env);
  if (!loaded.ok) return printProblems(loaded.problems);
  const problems = problemsInFiles(loaded.config);
  if (problems.length > 0) return printProblems(problems);
  // Signals are handled from here on: a signal during the start ends the process as soon as it has started.
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  let signals = 0;
  let endDrain: (() => void) | undefined;
  let limitLeaving: (() => void) | undefined;
  let restart: (() => void) | undefined;
  const onSignal = () => {
    if (++signals > 1) endDrain?.();
    limitLeaving?.();
    stop();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // The process of `weir run` has one parent, so its weir cannot be replaced, and the signal is for the process.
  if (command === undefined) process.on('SIGUSR2', () => restart?.());
  const reloader = new Reloader(args, loaded);
  if (reloader.hasFiles) process.on('SIGHUP', () => reloader.reload());
  const launcher = process.env[LAUNCHER_VARIABLE];
  delete process.env[LAUNCHER_VARIABLE];
  const again = { launcher, args: process.argv.slice(2), env: process.env };
  const sidecar = await startSidecar(loaded.config, { command, again }, () => reloader.explain());
  for (const { level, event, fields } of loaded.notices) sidecar.log[level](event, fields);
  endDrain = () => sidecar.endDrain();
  restart = () => sidecar.restart();
  // Without a child process these signals keep their default action. SIGHUP is for weir if it has a file to reload.
  const passedOn = FOR_THE_CHILD.filter((signal) => signal !== 'SIGHUP' || !reloader.hasFiles);
  if (command) for (const signal of passedOn) process.on(signal, () => sidecar.signalChild(signal));
  reloader.start(sidecar);
  // Before the process that this one replaces may end, since systemd would take its end for that of the service.
  void notifySystemd(process.env, ['READY=1', `MAINPID=${process.pid}`], sidecar.log).then(() =>
    sidecar.takeOver(),
  );
  process.on('uncaughtException', (error) => {
    sidecar.log.error('uncaught exception', { error: sourceStack(error) });
    sidecar.log.sink.flush();
    process.exit(EXIT.internal);
  });
  const isReplaced = await Promise.race([stopped.then(() => false), sidecar.replaced.then(() => true)]);
  reloader.stop();
  if (isReplaced) {
    limitLeaving = () => sidecar.limitLeaving();
    await sidecar.leave();
  } else {
    void notifySystemd(process.env, ['STOPPING=1'], sidecar.log);
    await sidecar.stop();
  }
  return EXIT.ok;
}

export const serve: Command = {
  usage: 'serve --replica URL [--replica URL …] [OPTIONS]',
  details:
    () => `SIGTERM and SIGINT drain: weir finishes running requests and exits; a second one exits at once. SIGHUP
reloads the configuration file, the certificate and the file of client keys, as a change of these files does. SIGUSR2
starts a new weir with the same command, which takes over the sockets; this one ends with its last connection.

${optionsHelp()}`,
  run: (args) => runSidecar(args, undefined),
};
