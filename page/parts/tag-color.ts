// The colour of a tag that a project describes.
// Invariant: pure; only tokens and hexadecimal colours are shown, since a colour may be any text.

/** Colours that can be chosen: tokens of series. A tag of another client may have a colour of CSS. */
export const TAG_COLORS = ['s1', 's2', 's3', 's4', 's5', 's6'] as const;
const HEX = /^#[0-9a-f]{3,8}$/i;

/** A colour of a tag that can be shown. Others are ignored. */
export const tagColor = (color: string | null | undefined): string => {
  if (TAG_COLORS.some((one) => one === color)) return `var(--${color})`;
  return color != null && HEX.test(color) ? color : 'var(--s6)';
};
