// exports: not built yet.
import type { JSX } from 'preact';

const Page = (): JSX.Element => <div class="empty">exports</div>;
export default Page;
