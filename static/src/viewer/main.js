// The entry stays empty: everything that chunks share lives in hashed chunks. A chunk that imported this
// file under its unhashed name would run a second copy of it behind hashed static files.
import("./page.js");
