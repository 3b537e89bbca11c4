// Both ways through weir keep the same promises.
import { laneContract } from '../contract/lane.ts';

laneContract('full lane', []);
