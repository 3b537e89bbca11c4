// weir serve: the sidecar in front of replicas that someone else runs. Also the life of the process: signals, exit.
// Must stay true: SIGTERM and SIGINT drain once; a second one ends the drain; the exit code of a drain is 0.
import { explain, load } from '../../config/config.ts';
import { startSidecar } from '../../sidecar.ts';
import type { Command } from '../command.ts';
import { optionsHelp } from '../help.ts';
import { EXIT, printProblems } from '../problems.ts';

/** Signals that are for the replica, passed on where weir supervises one. */
const FOR_THE_CHILD = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'] as const;

/** Runs a sidecar until a signal ends it. */
export async function runSidecar(
  args: readonly string[],
  command: readonly string[] | undefined,
): Promise<number> {
  const loaded = load(args, process.env);
  if (!loaded.ok) return printProblems(loaded.problems);
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
  const sidecar = await startSidecar(loaded.config, command, () => explain(loaded.config, loaded.given));
  hurry = () => sidecar.hurry();
  // Without a child they mean what they mean to any process: a closed terminal ends it.
  if (command) for (const signal of FOR_THE_CHILD) process.on(signal, () => sidecar.signalChild(signal));
  process.on('uncaughtException', (error) => {
    sidecar.log.error('uncaught exception', { error: error.stack ?? String(error) });
    sidecar.log.sink.flush();
    process.exit(EXIT.internal);
  });
  await stopped;
  await sidecar.stop();
  return EXIT.ok;
}

export const serve: Command = {
  name: 'serve',
  usage: 'serve --replica URL [--replica URL …] [OPTIONS]',
  summary: 'Stands in front of replicas that already run.',
  details: optionsHelp(),
  run: (args) => runSidecar(args, undefined),
};
