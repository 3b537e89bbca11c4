// Starts the page.
import './styles/tokens.css';
import './styles/frame.css';
import './styles/controls.css';
import './styles/query.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { startMe } from './me.ts';

startMe();
render(<App />, document.getElementById('app')!);
