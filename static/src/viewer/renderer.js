/** The renderer is large: it is loaded once, while the first metadata are on their way. */
let loading;
let started;

/** The stack module; `start` runs once. */
export function rendererReady() {
  loading ??= import("./stack.js").catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

/** The stack module, its renderer running. */
export async function rendererStarted() {
  const module = await rendererReady();
  await (started ??= module.start());
  return module;
}
