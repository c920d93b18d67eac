// The entry stays empty: what chunks share lives in hashed chunks.
import("./page.js");
