import { defineConfig } from "vitest/config";

// Where `npm run dev` finds a server.
const SERVER = "http://127.0.0.1:8000";

export default defineConfig({
  build: {
    // Phones of 2020 and later; what is newer is asked for before it is used.
    target: "es2020",
    // Each page is a file of its own, so that none loads what another needs.
    rolldownOptions: { input: { camera: "camera.html" } },
    // The policy of the pages allows no data: scripts or styles, and a file of its own is cached.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: "iife" },
  server: { proxy: { "/api": SERVER, "/whip": SERVER, "/ws": { target: SERVER, ws: true } } },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
