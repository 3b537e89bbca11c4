// What a data thread is started with: plain data, shared memory, and a port that is moved to it.
import type { Config } from '../../config/config.ts';
import type { SharedKeyUses } from '../../core/keys/key-use-table.ts';
import type { KeySnapshot } from '../../core/keys/key-store.ts';
import type { CertificateFiles } from '../../core/server-certificate.ts';
import type { WorkerPoolStart } from '../../data-plane/replicas/pool.ts';
import type { PriceEntry } from '../../telemetry/llm/prices.ts';
import type { RecorderConnection } from '../../telemetry/logs/recording.ts';
import type { NamedRequests } from '../request-records.ts';

export interface ThreadStart {
  /** Number of the thread; the main thread is 0. */
  readonly thread: number;
  readonly threads: number;
  readonly config: Config;
  readonly isTextLog: boolean;
  /** `undefined`: neither requests nor lines are recorded. */
  readonly recorder: RecorderConnection | undefined;
  readonly namedRequests: NamedRequests;
  readonly pool: WorkerPoolStart;
  /** Memory of its counters and of the shared limits. */
  readonly counters: readonly SharedArrayBuffer[];
  readonly limits: readonly SharedArrayBuffer[];
  readonly keys: KeySnapshot;
  readonly keyUses: SharedKeyUses;
  readonly certificate: CertificateFiles | undefined;
  readonly prices: readonly PriceEntry[];
}
