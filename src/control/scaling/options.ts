// Settings of autoscaling. Names, defaults and ranges are the contract's (contracts/baseten.md 5.1).
// Must stay true: they hold for every deployment; a target of its own is the one thing that a deployment has.
import { address, duration, flag, int, section, type Settings } from '../../core/settings.ts';

export const scaleOptions = section({
  min_replica: int({ default: 0, min: 0, max: 100_000, doc: 'Fewest replicas; 0: down to none.' }),
  max_replica: int({ default: 1, min: 1, max: 100_000, doc: 'Most replicas.' }),
  autoscaling_window: duration({
    default: 60_000,
    min: 10_000,
    max: 3_600_000,
    doc: 'The mean of requests in flight is taken over this time.',
  }),
  scale_down_delay: duration({
    default: 900_000,
    max: 3_600_000,
    doc: 'How long the load must stay below before replicas go; traffic that returns meanwhile keeps them.',
  }),
  max_scale_down_rate: int({
    default: 50,
    min: 1,
    max: 50,
    doc: 'Percent of the replicas that go at a time, one at least; then the delay begins anew.',
  }),
  concurrency_target: int({
    default: 1,
    min: 1,
    max: 1_000_000,
    doc: 'Requests at once that a replica is meant for, where its deployment’s own `concurrency_target` is 0.',
  }),
  target_utilization_percentage: int({
    default: 70,
    min: 1,
    max: 100,
    doc: 'How much of that is wanted in use; the rest is room for what comes while replicas start.',
  }),
  count_queued_async: flag({
    default: false,
    doc: 'Count asynchronous requests too, those that are queued and those that run.',
  }),
  keda: flag({
    default: false,
    doc: 'Open the door for KEDA’s external scaler (gRPC), for a weir that all requests for a model go through.',
  }),
  listen: address({
    default: { host: '0.0.0.0', port: 9465 },
    alias: 'scaler',
    doc: 'Address of that door. Setting it opens the door, unless `scale.keda` is false.',
  }),
});
export type ScaleOptions = Settings<typeof scaleOptions>;
