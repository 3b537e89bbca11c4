// Files that the bundler reads and TypeScript does not.
declare module '*.css';
