//! The page in real Chromium against the real server: `cargo xtask dashboard --test` sets what is read here.

import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests",
  // Timings are taken on purpose, by cargo xtask dashboard --measure, and decide no test.
  testMatch: process.env.WHYGLASS_MEASURE ? "measure.ts" : "*.spec.ts",
  outputDir: "test-results",
  timeout: 90_000,
  expect: { timeout: 20_000 },
  workers: 1,
  reporter: [["list"]],
  use: {
    viewport: { width: 1440, height: 900 },
    acceptDownloads: true,
    actionTimeout: 15_000,
    launchOptions: {
      ...(process.env.CHROMIUM && { executablePath: process.env.CHROMIUM }),
      // WebGL 2 on the processor, for painters.spec.ts; the page takes it for no graphics card. A container has no sandbox to give.
      args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
    },
  },
});
