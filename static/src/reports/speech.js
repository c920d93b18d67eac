/** The browser's own speech recognition, only where it runs on this device: no sound leaves it. */

/**
 * @returns {Promise<(() => object) | undefined>} makes a recogniser; undefined where it would not be local
 */
export async function localRecogniser(language) {
  const Recognition = globalThis.SpeechRecognition;
  if (!Recognition?.available || !("processLocally" in Recognition.prototype)) return undefined;
  try {
    const found = await Recognition.available({ langs: [language], processLocally: true });
    if (found !== "available") return undefined;
  } catch {
    return undefined;
  }
  return () => {
    const recogniser = new Recognition();
    recogniser.processLocally = true;
    recogniser.lang = language;
    recogniser.continuous = true;
    recogniser.interimResults = false;
    return recogniser;
  };
}
