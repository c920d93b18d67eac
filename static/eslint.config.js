import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/dist/", "**/node_modules/"] },
  js.configs.recommended,
  {
    files: ["**/*.js", "**/*.mjs"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module" },
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-console": ["error", { allow: ["error", "warn"] }],
      "no-var": "error",
      "prefer-const": "error",
      "no-restricted-properties": [
        "error",
        {
          property: "innerHTML",
          message: "Build nodes and use textContent: DICOM text is untrusted.",
        },
        {
          property: "outerHTML",
          message: "Build nodes and use textContent: DICOM text is untrusted.",
        },
        {
          property: "setViewPresentation",
          message:
            "It does not undo a flip. Use resetCamera or setCamera and read the letters from the camera.",
        },
      ],
    },
  },
  { files: ["**/src/**"], languageOptions: { globals: globals.browser } },
  { files: ["**/*.config.js"], languageOptions: { globals: globals.node } },
  { files: ["**/*.test.mjs"], languageOptions: { globals: globals.node } },
];
