// The verdict of the overview: since when something is wrong, what it is, and links to its records.
// Invariant: the words are weir's own (verdict-text.ts); only times and durations are as the page shows them.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { OverviewJson, VerdictPart } from '../../../src/control/admin/overview/overview-json.ts';
import {
  verdictHeadline,
  verdictSentences,
  type VerdictFormats,
} from '../../../src/control/admin/overview/verdict-text.ts';
import { clock, duration, msOfNs, text, visibleLine } from '../../formats.ts';
import { Button } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { zone } from '../../state.ts';
import { verdictLinks } from './verdict-links.ts';

/** Sentences that are shown before the others are asked for. */
const SHOWN = 4;

const formats = (): VerdictFormats => ({
  time: (ns) => clock(msOfNs(ns), zone.value, 'seconds'),
  // Tenths of a second say nothing here.
  duration: (ms) => (ms >= 3000 && ms < 59_500 ? `${Math.round(ms / 1000)} s` : text(duration(ms))),
});

/** Names in a sentence, which are shown as they are written in settings. */
const namesOf = (part: VerdictPart): readonly string[] =>
  [
    'replica' in part ? part.replica : '',
    'deployment' in part ? part.deployment : '',
    'last_replica' in part ? part.last_replica : '',
    'cause' in part ? (part.cause ?? '') : '',
    'last_cause' in part ? (part.last_cause ?? '') : '',
  ].filter((name) => name !== '');

/** A sentence with its names in the font of code. */
const Sentence = ({
  sentence,
  part,
}: {
  readonly sentence: string;
  readonly part: VerdictPart;
}): JSX.Element => {
  const names = namesOf(part);
  return (
    <>
      {visibleLine(sentence)
        .replaceAll(' %', '\u00a0%')
        .split(/(?<=[\s(])(?=\S)|(?<=[^\s.,;:])(?=[.,;:]?(?:\s|$))/)
        .map((word, i) => (names.includes(word) ? <code key={i}>{word}</code> : word))}{' '}
    </>
  );
};

const LOOKS = { ok: ['ok', 'check'], degraded: ['err', 'error'], down: ['err', 'error'] } as const;

export const Verdict = ({ overview }: { readonly overview: OverviewJson }): JSX.Element => {
  const [isWhole, setWhole] = useState(false);
  const { verdict, at_ns: at } = overview;
  const [look, icon] = LOOKS[verdict.level];
  const sentences = verdictSentences(verdict, formats());
  const left = sentences.length - SHOWN;
  return (
    <div class={`banner ${look} full verdict`}>
      <Icon name={icon} />
      <p class="sum grow">
        <b>{verdictHeadline(verdict, at, formats())}.</b>{' '}
        {sentences.slice(0, isWhole || left === 1 ? undefined : SHOWN).map(({ text, part }, i) => (
          <span key={i} class={part.rule === 'exporter' ? 'mid' : ''}>
            <Sentence sentence={text} part={part} />
          </span>
        ))}
        {left > 1 && (
          <Button kind="quiet" isSmall onClick={() => setWhole(!isWhole)}>
            {isWhole ? 'Less' : `${left} more`}
          </Button>
        )}
      </p>
      {verdictLinks(verdict).map(({ label, address }) => (
        <a key={label} class="btn sm" href={address}>
          {label} <Icon name="arrow" isSmall />
        </a>
      ))}
    </div>
  );
};
