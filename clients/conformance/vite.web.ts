//! The script for the browser: one file, without a page.

import { defineConfig } from "vite";

export default defineConfig({
  build: { outDir: "dist", emptyOutDir: true, lib: { entry: "web.ts", formats: ["iife"], name: "conformance", fileName: () => "web.js" } },
});
