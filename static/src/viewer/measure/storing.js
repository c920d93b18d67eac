/** Measurements and key images put into the study as DICOM objects. */
import { ask, wordsOf } from "../../reports/api.js";

const named = { measurements: "measurements (SR)", "key-images": "key images (KO)" };

/** @param {(words: string) => void} say */
export async function storeMarks(study, say) {
  say("Storing");
  const { kind, data } = await ask("POST", `/api/studies/${study}/annotations/store/`, {});
  if (kind === "ok")
    say(`Stored in the study: ${data.objects.map((one) => named[one]).join(", ")}`);
  else if (kind === "offline") say("Not stored: the portal cannot be reached.");
  else say(wordsOf(data, "It could not be stored."));
}
