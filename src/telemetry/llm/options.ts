// Settings of what is read about language models (section `llm`).
import { flag, int, section, wordList, type Settings } from '../../core/settings.ts';

export const llmOptions = section({
  follow: flag({
    default: true,
    doc: 'Read model, tokens and times of tokens from the bodies of POST requests and their responses (JSON and event streams) while they pass. Entries of `logs.routes` with `follow: false` or `capture: off` are not read.',
  }),
  models: wordList({
    default: [],
    pattern: /^[!-~]{1,128}$/,
    like: 'names of models, which may contain *',
    doc: 'Models with their own series in the `weir_llm_*` metrics, in the label `model`. `*` stands for any characters. Other models are counted as `other`. Empty: the label is empty.',
  }),
  max_models: int({
    default: 64,
    min: 1,
    max: 1024,
    doc: 'Maximum number of models that get their own series by a pattern with `*`. Further ones are counted as `other`.',
  }),
});
export type LlmOptions = Settings<typeof llmOptions>;
