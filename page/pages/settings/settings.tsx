// settings: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">settings</div>;
export default Page;
