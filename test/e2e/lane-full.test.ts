// The full lane keeps the promises of every lane.
import { laneContract } from '../contract/lane.ts';

laneContract('the full lane', ['--proxy-fast-lane=false']);
