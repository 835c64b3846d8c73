// The explorer as plain files in dist/: everything from our own origin, nothing inline, so a strict CSP holds.
import { defineConfig } from 'vite';

export default defineConfig({
  // The page itself is answered at /graphql, its files under /graphiql/.
  base: '/graphiql/',
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    // Preloading is for module graphs that load in waterfalls; all browsers of the target do without the polyfill.
    modulePreload: { polyfill: false },
    // Monaco's editor core is one module graph of several megabytes; it loads after the page shows.
    chunkSizeWarningLimit: 4000,
    // 'use client' and the like in libraries: they tell servers that render React, and there is none here.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
