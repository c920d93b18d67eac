/** Somebody has logged in for a window that keeps unsaved text: tells it. */
import { CHANNEL } from "./pairing.js";

new BroadcastChannel(CHANNEL).postMessage({ v: 1, id: "login", type: "logged-in" });
