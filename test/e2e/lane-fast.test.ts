// The contract of all lanes, for the fast lane.
import { laneContract } from '../contract/lane.ts';

laneContract('the fast lane', []);
