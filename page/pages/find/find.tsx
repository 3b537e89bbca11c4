// find: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">find</div>;
export default Page;
