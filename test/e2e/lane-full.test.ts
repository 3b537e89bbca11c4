// The contract of all lanes, for the full lane.
import { laneContract } from '../contract/lane.ts';

laneContract('the full lane', ['--proxy-fast-lane=false']);
