// unknown: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">unknown</div>;
export default Page;
