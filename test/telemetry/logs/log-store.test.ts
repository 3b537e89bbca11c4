// The log store of one weir keeps the contract of the port.
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Logger } from '../../../src/core/logger.ts';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';
import { CapturePolicy, Logs, RecorderClient } from '../../../src/telemetry/logs/logs.ts';
import { logStoreContract, type LogStoreUnderTest } from '../../contract/log-store.ts';
import { folder } from '../../kit/folder.ts';

const quiet = { write: () => undefined, flush: () => undefined, dropped: () => 0 };

class StoreOfOneWeir implements LogStoreUnderTest {
  readonly #folder = folder();
  #logs!: Logs;

  async open(): Promise<Logs> {
    this.#logs = new Logs(
      {
        folder: this.#folder,
        maxBytes: 2 ** 30,
        own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }),
        retentionMs: 86_400_000,
        maxLineBytes: 4096,
        redactsCommonSecrets: true,
        maxBodyBytes: 4096,
        redactPatterns: [],
        files: [],
        fileOrigin: { deployment: '', environment: '', replica: '' },
      },
      new RecorderClient({ fd: -1, isText: false }),
      new Logger(quiet, { level: 'error', isText: false }),
    );
    return this.#logs;
  }

  addRequest(request: string, response: string): void {
    const exchanges = new Exchanges({ trust_inbound: false });
    exchanges.captureWith(new CapturePolicy({ capture: 'full', routes: [], max_body: 4096 }));
    exchanges.observe({ closed: (one) => this.#logs.requestEnded(one, undefined) });
    const exchange = exchanges.open(undefined);
    exchange.target = '/predict';
    exchange.captureBodies();
    exchange.bodyCapture!.request.push(Buffer.from(request));
    exchange.bodyCapture!.response.push(Buffer.from(response));
    exchange.close('ok', 200);
  }

  /** Segments are named by their day, so a segment of an early day is deleted once there is one of today. */
  async reopenExpired(): Promise<Logs> {
    await this.clean();
    for (const name of readdirSync(this.#folder).filter((one) => one.startsWith('logs-')))
      renameSync(join(this.#folder, name), join(this.#folder, name.replace(/-\d{8}-/, '-20200101-')));
    return this.open();
  }

  clean(): Promise<void> {
    return this.#logs.stop(performance.now() + 5000);
  }
}

logStoreContract('log store of one weir', () => new StoreOfOneWeir());
