// The entry stays empty: everything that chunks share lives in hashed chunks.
import("./page.js");
