// The contract of all lanes, for the full lane with a replica that speaks HTTP/2.
import { laneContract } from '../contract/lane.ts';
import { startHttp2Replica } from '../kit/http2-replica.ts';

laneContract('the full lane to HTTP/2', ['--proxy-fast-lane=false'], undefined, {
  start: startHttp2Replica,
  hasReasons: false,
});
