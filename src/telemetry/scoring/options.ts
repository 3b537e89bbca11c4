// Settings of online scoring (section `scoring`).
import { duration, flag, int, section, type Settings } from '../../core/settings.ts';

export const scoringOptions = section({
  enabled: flag({
    default: true,
    doc: 'Run the scoring rules. false: rules are kept and can be tested, but score nothing; they go on where they were.',
  }),
  max_rules: int({
    default: 100,
    min: 1,
    max: 100,
    doc: 'Maximum number of scoring rules.',
  }),
  max_scorers: int({
    default: 100,
    min: 1,
    max: 1000,
    doc: 'Maximum number of scorers that users store: code and judges.',
  }),
  concurrency: int({
    default: 4,
    min: 1,
    max: 64,
    doc: 'Spans that a rule scores at the same time.',
  }),
  timeout: duration({
    default: 60_000,
    min: 100,
    max: 600_000,
    doc: 'Maximum time of one call of a scorer. A stored scorer may have a shorter one of its own.',
  }),
});
export type ScoringOptions = Settings<typeof scoringOptions>;
