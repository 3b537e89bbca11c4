// The contract of all lanes, for requests over HTTP/2 that the full lane serves.
import { afterAll } from 'vitest';
import { laneContract } from '../contract/lane.ts';
import { closeH2Fronts, startH2Front } from '../kit/h2-front.ts';

laneContract('HTTP/2 to the full lane', ['--proxy-fast-lane=false'], {
  proto: 'http',
  isHttp2: true,
  async stand(weir) {
    weir.port = await startH2Front(weir.port);
  },
});

afterAll(closeH2Fronts);
