// go-to: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">go-to</div>;
export default Page;
