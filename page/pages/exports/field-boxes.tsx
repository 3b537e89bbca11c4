// The fields of an export to choose from. Those that may not be exported are shown, and say so.
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { FIELDS } from './export-form.ts';

export const FieldBoxes = ({
  names,
  onChange,
}: {
  readonly names: readonly string[];
  readonly onChange: (names: readonly string[]) => void;
}): JSX.Element => {
  const denied = useAnswer<{ readonly denied_fields: readonly string[] }>({
    path: '/v1/logs/exports/field-restrictions',
  }).asked.value.value?.denied_fields;
  useEffect(() => {
    if (denied?.some((one) => names.includes(one)) === true)
      onChange(names.filter((one) => !denied.includes(one)));
  }, [denied]);
  const allowed = FIELDS.filter((one) => denied?.includes(one) !== true);
  return (
    <fieldset>
      <legend class="lbl">
        Fields{' '}
        <span class="dim num">
          {names.length} of {FIELDS.length}
        </span>
        <span class="grow" />
        <button type="button" class="link" onClick={() => onChange(allowed)}>
          all
        </button>
        <button type="button" class="link" onClick={() => onChange([])}>
          none
        </button>
      </legend>
      <div class="eboxes">
        {FIELDS.map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={names.includes(name)}
              disabled={!allowed.includes(name)}
              onChange={(event) =>
                onChange(
                  event.currentTarget.checked
                    ? FIELDS.filter((one) => one === name || names.includes(one))
                    : names.filter((one) => one !== name),
                )
              }
            />
            <span class="mono">{name}</span>
            {!allowed.includes(name) && <span class="dim">denied</span>}
          </label>
        ))}
      </div>
    </fieldset>
  );
};
