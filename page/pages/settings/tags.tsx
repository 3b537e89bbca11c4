// Settings, Tags.
import type { JSX } from 'preact';

export const Tags = (): JSX.Element => <div class="empty">Tags</div>;
