import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Where `npm run dev` finds a server.
const SERVER = "http://127.0.0.1:8000";

export default defineConfig({
  // The one place that decides which language the office speaks: a folder of src/text.
  resolve: { alias: { words: fileURLToPath(new URL("src/text/en", import.meta.url)) } },
  build: {
    // Phones of 2020 and later; what is newer is asked for before it is used.
    target: "es2020",
    // light-dark() is from 2024: it is written out for those before.
    cssTarget: ["chrome80", "firefox78", "safari13.1"],
    // Each page is a file of its own, so that none loads what another needs.
    rolldownOptions: { input: { camera: "camera.html", office: "office.html" } },
    // The policy of the pages allows no data: scripts or styles, and a file of its own is cached.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: "iife" },
  server: { proxy: { "/api": SERVER, "/readyz": SERVER, "/whip": SERVER, "/ws": { target: SERVER, ws: true } } },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
