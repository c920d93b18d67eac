/** Documents in a viewport, in the place of pictures: structured reports, key images, PDFs. */
import { RequestError } from "../dicomweb.js";
import { make, write } from "../dom.js";
import { explain } from "../failures.js";
import { otherIdentity } from "../identity.js";
import { seriesLabel } from "../rail.js";
import { date, time } from "../wording.js";
import { keyImagesOf } from "./keyobjects.js";
import { pagesOf } from "./pages.js";
import { pageOf, reportOf } from "./structured.js";

const line = 60;
/** Keys that scroll a document which has the focus. */
const scrolls = new Set(["ArrowUp", "ArrowDown", "Home", "End", " "]);

const named = ({ title, date: day, time: at }) =>
  [title, [date(day), time(at)].filter(Boolean).join(" ")].filter(Boolean).join(", ");

/**
 * @param {HTMLElement} root of the cell
 * @param {object} options
 * @param {object} options.patient of the page's banner
 * @param {string} options.loginURL
 * @param {(study: object, place: object) => void} options.jump shows a picture that is referred to
 */
export function createPane(root, { patient, loginURL, jump }) {
  const title = make("h2", { className: "document-title", dir: "auto" });
  const prior = make("strong", { className: "badge badge-prior", hidden: true });
  const warning = make("p", { className: "document-identity", role: "alert", hidden: true });
  const choice = make("select", { "aria-label": "Document of the series" });
  const tools = make("div", { className: "document-tools" });
  const body = make("div", { className: "document-body", role: "region", tabindex: "0" });
  const pane = make(
    "div",
    { className: "document", hidden: true },
    make("div", { className: "document-head" }, prior, title, choice, tools),
    warning,
    body,
  );
  root.append(pane);
  let turn = 0;
  let study;
  let uid;
  let documents = [];
  let close;

  body.addEventListener("keydown", (event) => {
    if (scrolls.has(event.key) && event.target === body) event.stopPropagation();
  });
  // Two clicks choose a word here; elsewhere they maximise the viewport.
  body.addEventListener("dblclick", (event) => event.preventDefault());
  choice.addEventListener("change", () => load(documents[choice.selectedIndex]));

  const isHere = (place) =>
    place.study === study.uid && Boolean(study.seriesOf(place.series)?.pictures);

  function say(heading, lines, actions = []) {
    const buttons = actions.map(({ label, href, onPress }) => {
      if (href) return make("a", { className: "viewer-button", href, text: label });
      const button = make("button", { className: "viewer-button", type: "button", text: label });
      button.addEventListener("click", onPress);
      return button;
    });
    body.replaceChildren(
      make(
        "div",
        { className: "document-note", role: "alert" },
        make("h3", { text: heading }),
        ...lines.map((each) => make("p", { text: each })),
        ...buttons,
      ),
    );
  }

  const context = () => ({
    isHere,
    jump: (place) => jump(study, place),
    thumbnailURL: (place) => study.client.thumbnailURL(place),
    labelOf: ({ series }) => seriesLabel(study.seriesOf(series)),
  });

  async function contentOf({ kind, sopInstanceUID, instance }) {
    if (kind === "keys") return { element: keyImagesOf(instance, context()) };
    const rendered = study.client.documentURL(uid, sopInstanceUID);
    if (kind === "report") return { element: reportOf(await pageOf(rendered), context()) };
    const found = await pagesOf(study.pagesURL(sopInstanceUID), body);
    const download = make("a", {
      className: "viewer-button",
      href: rendered,
      download: "document.pdf",
      text: "Download",
    });
    return { ...found, tools: [...(found.tools ?? []), download] };
  }

  async function load(document) {
    const mine = (turn += 1);
    close?.();
    close = undefined;
    write(title, document.kind === "pdf" ? document.title : document.name);
    body.setAttribute("aria-label", named(document));
    pane.dataset.kind = document.kind;
    pane.dataset.state = "loading";
    tools.replaceChildren();
    const words = otherIdentity(document.instance, patient);
    warning.hidden = !words;
    write(warning, words && `This document ${words}`);
    body.replaceChildren(
      make("p", { className: "document-loading", text: "Loading the document" }),
    );
    body.scrollTop = 0;
    try {
      const found = await contentOf(document);
      if (mine !== turn) {
        found.close?.();
        return;
      }
      close = found.close;
      tools.replaceChildren(...(found.tools ?? []));
      if (found.refused) say("This document cannot be shown", [found.refused]);
      else body.replaceChildren(found.element);
      pane.dataset.state = found.refused ? "refused" : "ready";
    } catch (error) {
      if (mine !== turn) return;
      if (!(error instanceof RequestError)) console.error(error);
      const {
        title: heading,
        lines,
        actions,
      } = explain(error, {
        what: document.kind === "pdf" ? "This document" : "This report",
        loginURL,
        retry: () => load(document),
      });
      say(heading, lines, actions);
      pane.dataset.state = "failed";
    }
  }

  return {
    get isOpen() {
      return !pane.hidden;
    },
    /** Shows the documents of a series, the first of them now. Settles when it is there. */
    show(nextStudy, nextUid, found) {
      study = nextStudy;
      uid = nextUid;
      documents = found;
      prior.hidden = !study.isPrior;
      if (study.isPrior) write(prior, `Prior ${date(study.date) || "without a date"}`);
      choice.replaceChildren(...found.map((each) => make("option", { text: named(each) })));
      choice.hidden = found.length < 2;
      pane.hidden = false;
      return load(found[0]);
    },
    close() {
      turn += 1;
      close?.();
      close = undefined;
      pane.hidden = true;
      body.replaceChildren();
    },
    /** The keys for images scroll, where there are none: `where(line, lines)` gives the line. */
    move(where) {
      const lines = Math.ceil((body.scrollHeight - body.clientHeight) / line) + 1;
      const next = where(Math.round(body.scrollTop / line), lines);
      body.scrollTop = next * line;
    },
  };
}
