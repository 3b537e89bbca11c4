// request: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">request</div>;
export default Page;
