import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Pages and style sheets the templates refer to by a stable name; each is built where it exists. */
const entries = {
  viewer: "src/viewer/main.js",
  worklist: "src/worklist/main.js",
  sends: "src/sends/main.js",
  quarantine: "src/quarantine/main.js",
  upload: "src/upload/main.js",
  status: "src/status/main.js",
  deliveries: "src/deliveries/main.js",
  critical: "src/critical/main.js",
  agents: "src/agents/main.js",
  print: "src/print/main.js",
  finding: "src/finding/main.js",
  statistics: "src/statistics/main.js",
  reports: "src/reports/main.js",
  "logged-in": "src/reports/logged-in.js",
  templates: "src/templates/main.js",
  preferences: "src/preferences/main.js",
  display: "src/display/main.js",
  app: "src/app/main.js",
  "app-style": "src/styles/app.css",
  "viewer-style": "src/styles/viewer.css",
  "document-style": "src/styles/document.css",
};

const input = Object.fromEntries(
  Object.entries(entries)
    .map(([name, path]) => [name, resolve(here, path)])
    .filter(([, path]) => existsSync(path)),
);

/** `src/styles/app.css` is served as `app.css`; every other asset carries a hash. */
const entryStyles = new Set(["app.css", "viewer.css", "document.css"]);

function assetFileName(asset) {
  const source = asset.originalFileNames?.[0] ?? "";
  const name = basename(source);
  if (source.includes("src/styles/") && entryStyles.has(name)) return name;
  return "assets/[name]-[hash][extname]";
}

export default defineConfig({
  root: here,
  // Chunks, workers and WebAssembly are found relative to the module that needs them, whatever STATIC_URL is.
  base: "./",
  publicDir: false,
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    sourcemap: false,
    modulePreload: false,
    chunkSizeWarningLimit: 6000,
    // Under the strict CSP fonts and images are files, never data: URLs.
    assetsInlineLimit: 0,
    rollupOptions: {
      input,
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "chunks/[name]-[hash].js",
        assetFileNames: assetFileName,
        // Shared code never lives in an entry: a chunk would import the entry under its unhashed name,
        // and behind hashed static files the browser would run it twice.
        codeSplitting: { groups: [{ name: "preload", test: /vite\/preload-helper/ }] },
      },
    },
  },
  worker: {
    format: "es",
    rollupOptions: {
      output: { entryFileNames: "workers/[name]-[hash].js" },
    },
  },
});
