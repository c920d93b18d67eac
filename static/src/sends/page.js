/** The list of sends. */
import { watchList } from "../app/livelist.js";

watchList({
  key: "send",
  list: "send-list",
  error: "sends-error",
  rowPath: (send) => `/sends/${send}/row/`,
});
