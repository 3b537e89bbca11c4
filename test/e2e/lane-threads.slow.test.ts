// The contract of all lanes, for three data threads.
import { laneContract } from '../contract/lane.ts';

laneContract('the fast lane of three data threads', ['--threads=3']);
laneContract('the full lane of three data threads', ['--threads=3', '--proxy-fast-lane=false']);
