// The shared suite of the metrics of language models, in the full lane.
import { llmMetricsContract } from '../contract/llm-metrics.ts';

llmMetricsContract('HTTP/1.1 server', ['--proxy-fast-lane=false']);
