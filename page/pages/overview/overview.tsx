// overview: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">overview</div>;
export default Page;
