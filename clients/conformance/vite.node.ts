//! The scripts for Node, which finds their packages itself.

import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "dist",
    emptyOutDir: false,
    target: "node20",
    ssr: true,
    rollupOptions: { input: { node: "node.ts", browser: "browser.ts" }, output: { entryFileNames: "[name].mjs" } },
  },
});
