// What the main thread sends to another data thread.
// Invariant: messages are handled in the order in which they were sent.
import type { CertificateFiles } from '../../core/server-certificate.ts';
import type { SharedKeyUses } from '../../core/keys/key-use-table.ts';
import type { KeySnapshot } from '../../core/keys/key-store.ts';
import type { Call, CallResult } from '../../core/worker-rpc.ts';
import type { PriceEntry } from '../../telemetry/llm/prices.ts';
import type { RecorderConnection } from '../../telemetry/logs/recording.ts';

/** What the main thread asks of a data thread, and waits for. */
export interface ThreadOperations {
  /** Resolves when everything that was sent before has been applied. */
  settle(): void;
  /** Accepts connections. `port`: of the data server. `adminPort`: where no webhook may go. */
  listen(port: number, adminPort: number): Promise<void>;
  /** Uses these keys from now on. `uses`: of all their names. */
  keys(keys: KeySnapshot, uses: SharedKeyUses): void;
  /** Uses these stored prices from now on. */
  prices(stored: readonly PriceEntry[]): void;
  /** Uses this certificate of the data server for new connections. */
  certificate(files: CertificateFiles): void;
  /** Accepts nothing more, lets exchanges end for at most `remainingMs`, and stops everything. */
  stop(remainingMs: number): Promise<void>;
}

export type ToDataThread =
  /** Of the pool in the main thread. */
  | { readonly kind: 'pool'; readonly message: unknown }
  /** Of ThreadOperations. */
  | { readonly kind: 'calls'; readonly calls: readonly Call[] }
  /** Of the thread's own calls. */
  | { readonly kind: 'result'; readonly result: CallResult }
  /** There is a new recorder thread. */
  | { readonly kind: 'recorder'; readonly connection: RecorderConnection }
  /** Ends the wait in `stop`: running exchanges are cut. */
  | { readonly kind: 'endDrain' };
