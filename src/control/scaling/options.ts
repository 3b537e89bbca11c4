// Settings of autoscaling (section `scale`), for all deployments. Names, defaults and ranges: docs/contracts/serving.md 5.1.
import { serverTlsOptions } from '../../core/server-tls-options.ts';
import { address, duration, flag, int, section, socketMode, type Settings } from '../../core/settings.ts';

export const scaleOptions = section({
  min_replica: int({
    default: 0,
    min: 0,
    max: 100_000,
    doc: 'Minimum number of replicas. 0 allows scaling to zero.',
  }),
  max_replica: int({ default: 1, min: 1, max: 100_000, doc: 'Maximum number of replicas.' }),
  autoscaling_window: duration({
    default: 60_000,
    min: 10_000,
    max: 3_600_000,
    doc: 'Time over which the mean of requests in flight is taken.',
  }),
  scale_down_delay: duration({
    default: 900_000,
    max: 3_600_000,
    doc: 'Time that the load must stay lower before replicas are removed. Returning traffic starts it again.',
  }),
  max_scale_down_rate: int({
    default: 50,
    min: 1,
    max: 50,
    doc: 'Maximum percentage of replicas removed at once, at least one. Then the delay starts again.',
  }),
  concurrency_target: int({
    default: 1,
    min: 1,
    max: 1_000_000,
    doc: 'Concurrent requests per replica, if the `concurrency_target` of the deployment is 0.',
  }),
  target_utilization_percentage: int({
    default: 70,
    min: 1,
    max: 100,
    doc: 'Percentage of the concurrency target that replicas should use. The rest absorbs traffic while replicas start.',
  }),
  count_queued_async: flag({
    default: false,
    doc: 'Also count queued and running asynchronous requests.',
  }),
  keda: flag({
    default: false,
    doc: 'Serve KEDA’s external scaler protocol (gRPC). For a weir that all requests of a model go through.',
  }),
  listen: address({
    default: { host: '0.0.0.0', port: 9465 },
    alias: 'scaler',
    doc: 'Address of the KEDA server: `host:port`, or `unix:` and a path. Setting it enables the server, unless `scale.keda` is false.',
  }),
  socket_mode: socketMode({ doc: 'File mode of the KEDA server’s Unix socket.' }),
  tls: serverTlsOptions('KEDA server', 'scale.tls'),
});
export type ScaleOptions = Settings<typeof scaleOptions>;
