// help: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">help</div>;
export default Page;
