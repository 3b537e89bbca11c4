// monitor: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">monitor</div>;
export default Page;
