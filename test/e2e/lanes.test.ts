// Both ways through weir keep the same promises.
import { laneContract } from '../contract/lane.ts';

laneContract('fast lane', []);
laneContract('full lane', ['--proxy-fast-lane=false']);
