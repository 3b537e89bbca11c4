// Settings, Scoring.
import type { JSX } from 'preact';

export const Scoring = (): JSX.Element => <div class="empty">Scoring</div>;
