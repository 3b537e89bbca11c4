// npm's prepare script: builds the web page after npm ci and npm install. JavaScript, since npm runs it on any Node, also
// on one that cannot run TypeScript.
// Invariant: an installation never fails because the page cannot be built; one line says so.
if (process.features.typescript) {
  process.argv.push('--if-possible');
  await import('./build-page.ts');
} else {
  console.log(
    `The web page is not built, since Node ${process.versions.node} cannot run TypeScript. npm run build:page on Node 24.10 or newer builds it.`,
  );
}
