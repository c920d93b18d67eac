/** Words for what went wrong, and what the reader can do. */
export function explain(error, { what, loginURL, retry }) {
  const again = { label: "Try again", onPress: retry };
  switch (error?.kind) {
    case "session":
      return {
        title: "Your session has ended",
        lines: ["Log in again to go on; the study opens where you left it."],
        actions: [{ label: "Log in", href: loginURL }, again],
      };
    case "missing":
      return {
        title: `${what} is not available`,
        lines: ["It was removed, or you may no longer see it."],
        actions: [again],
      };
    case "refused":
      return {
        title: `${what} cannot be shown here`,
        lines: ["It is stored in a form that neither this viewer nor the server can decode."],
        actions: [again],
      };
    case "network":
      return {
        title: `${what} could not be loaded`,
        lines: ["The server cannot be reached. Check the network connection, then try again."],
        actions: [again],
      };
    case "server":
      return {
        title: `${what} could not be loaded`,
        lines: [`The server answered with an error (${error.status}). Try again in a moment.`],
        actions: [again],
      };
    case "browser":
      return {
        title: "This browser cannot show images",
        lines: ["The viewer needs WebGL 2 and WebAssembly. Use a current browser, then try again."],
        actions: [again],
      };
    default:
      return {
        title: `${what} could not be decoded`,
        lines: [
          "What arrived is damaged, or not what its header says. Nothing is shown rather than a wrong picture.",
        ],
        actions: [again],
      };
  }
}
