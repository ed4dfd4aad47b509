//! Builds the page into dist/page, from where the server takes it into its binary. `npm run dev` serves it with calls
//! passed on to a running server.

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const server = "http://127.0.0.1:50051";
const passOn = { target: server, changeOrigin: true, headers: { origin: server } };

export default defineConfig({
  plugins: [svelte()],
  build: { outDir: "dist/page", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, modulePreload: false },
  server: { proxy: { "/whyglass.v1.": passOn, "/samples": passOn, "/colormaps.json": passOn } },
});
