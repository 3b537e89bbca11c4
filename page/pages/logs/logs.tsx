// logs: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">logs</div>;
export default Page;
