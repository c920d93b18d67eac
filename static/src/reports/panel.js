/** The report panel: beside the images, or a window of its own. */
import htmx from "../app/htmx.js";
import { stayWhile } from "../app/holding.js";
import { write } from "../viewer/dom.js";
import { watchEvents } from "../worklist/events.js";
import { createAnnotations } from "./annotations.js";
import { ask, wordsOf } from "./api.js";
import { createAutosave, wordsOfState } from "./autosave.js";
import { createCatalogue } from "./catalogue.js";
import { choose } from "./chooser.js";
import { resolveConflict } from "./conflict.js";
import { createForm } from "./form.js";
import { createLeft, insertKeyImage, insertMeasurement } from "./left.js";
import { createNotices } from "./notices.js";
import { keyImageText, leftBy, placeText, titleText } from "./placing.js";
import { actionOf } from "./shortcuts.js";
import { localRecogniser } from "./speech.js";
import { listed, withNormal, withTemplate } from "./starting.js";
import { joinWindows } from "./windows.js";

const byId = (id) => document.getElementById(id);
const LOGIN = "/login/?next=/reports/logged-in/";
const STATES = {
  none: "not begun",
  draft: "draft",
  preliminary: "preliminary",
  final: "final",
  addended: "addended",
  withdrawn: "withdrawn",
};
const MISMATCH = {
  patient: "The images in the other window are of ANOTHER PATIENT.",
  study: "The images in the other window are of another study of this patient.",
};

/**
 * @param {object} options
 * @param {"viewer" | "report"} options.role the page it is in
 * @param {object} [options.annotations] shared with the images
 * @param {(place: object) => void} [options.show] shows a place on the images of this page
 * @param {() => void} [options.toImages]
 * @param {() => void} options.toPriors
 */
export function createPanel({ role, annotations, show, toImages, toPriors }) {
  const root = byId("report");
  const study = Number(root.dataset.study);
  const modalities = root.dataset.modalities.split(/[/\\]/).filter(Boolean);
  const notices = createNotices(byId("report-notices"));
  const catalogue = createCatalogue(study);
  const store = annotations ?? createAnnotations(study);
  const statePath = `/api/studies/${study}/report/`;

  let state;
  let material = { templates: [], macros: [], facts: [] };
  let template;
  let looking;
  let elsewhere = false;
  let recogniser;

  const form = createForm(byId("report-sections"), {
    macros: () => material.macros,
    modalities: () => modalities,
    asked: (key) => template?.body.sections.find((section) => section.key === key),
    onChange: () => autosave.changed(),
    say: (words) => notices.say("paste", words, { kind: "warn", milliseconds: 12_000 }),
  });
  const autosave = createAutosave({
    content: () => form.content(),
    put: (content, revision, leaving) =>
      ask("PUT", `/api/reports/${state.report}/draft/`, { content, revision }, { leaving }),
    show: showSaved,
  });
  const left = createLeft(
    {
      root: byId("report-left"),
      list: byId("report-left-list"),
      trouble: byId("report-left-trouble"),
    },
    store,
    {
      form: () => (form.isEditable ? form : undefined),
      mayRemove: () => root.dataset.annotates !== undefined,
      show(place) {
        if (show) show(place);
        else windows.send("show", { place: placeOf(place) });
      },
    },
  );
  store.whenKept(() => windows.send("annotations"));

  const placeOf = ({ series_instance_uid: series, sop_instance_uid: instance, frame }) => ({
    series_instance_uid: series,
    sop_instance_uid: instance,
    frame,
  });

  const windows = joinWindows(
    { role, study, patient: Number(root.dataset.patient) },
    { settle, standing: showStanding, refused: showRefused, message: heard },
  );

  /** Saves what is unsaved. False where that cannot be done now. */
  async function settle() {
    if (!form.isEditable) return true;
    await autosave.flush();
    return !autosave.isDirty();
  }

  function heard({ type, study: other, revision, place }) {
    if (type === "logged-in") {
      autosave.retry();
      return;
    }
    if (other !== study) return;
    if (type === "saved" && revision > autosave.revision && form.isEditable) {
      if (!autosave.isDirty()) load();
    } else if (type === "editing" && form.isEditable) {
      yieldTo();
    } else if (type === "annotations") {
      quietly(() => store.load());
    } else if (type === "show" && show && place) {
      show(place);
    }
  }

  let loadingLeft = false;
  async function quietly(load_) {
    if (loadingLeft) return;
    loadingLeft = true;
    await load_();
    loadingLeft = false;
  }

  /** Another window of this browser writes the report now: this one steps back. */
  async function yieldTo() {
    if (!(await settle())) return;
    elsewhere = true;
    autosave.stop();
    form.clear();
    showStart("The report is open in another window of this browser.", "Write here");
    layOut();
  }

  function showStanding(standing) {
    const words = MISMATCH[standing] ?? "";
    const name = root.querySelector(".report-name").textContent;
    const mismatch = byId("report-mismatch");
    mismatch.hidden = !words;
    write(mismatch, words && `${words} This report is of ${name}.`);
    root.classList.toggle("is-mismatch", standing === "patient");
    root.dataset.otherPatient = String(standing === "patient");
  }

  function showRefused(other) {
    const dialog = document.createElement("dialog");
    dialog.className = "report-refused";
    dialog.setAttribute("aria-labelledby", "report-refused-title");
    const title = document.createElement("h2");
    title.id = "report-refused-title";
    title.textContent = "The other window stays with another patient";
    const words = document.createElement("p");
    words.textContent =
      "It holds text that could not be saved yet, so it does not switch. Go back to that patient, or stay here and mind that the two windows differ.";
    const back = document.createElement("a");
    back.className = "button button-primary";
    back.href = role === "viewer" ? `/studies/${other}/view/` : `/reports/${other}/write/`;
    back.textContent = "Back to that patient";
    const stay = document.createElement("button");
    stay.type = "button";
    stay.className = "button";
    stay.textContent = "Stay here";
    stay.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    dialog.append(title, words, back, stay);
    document.body.append(dialog);
    dialog.showModal();
  }

  function showSaved(saved) {
    const line = byId("report-saved");
    line.dataset.state = saved.name;
    write(line, wordsOfState(saved));
    root.dataset.save = saved.name;
    if (saved.name === "saved") {
      for (const subject of ["session", "offline", "refused", "invalid", "conflict"])
        notices.clear(subject);
      windows.send("saved", { revision: autosave.revision });
      document.dispatchEvent(new CustomEvent("session-back"));
      return;
    }
    const copy = { text: "Copy my text", act: copyText };
    const again = { text: "Try again", act: () => autosave.retry() };
    if (saved.name === "session") {
      notices.say(
        "session",
        "Your session is over. Your text is kept in this tab: leave it open, log in, and it is saved by itself.",
        { kind: "stat", actions: [{ text: "Log in in a new window", href: LOGIN }, copy] },
      );
    } else if (saved.name === "offline") {
      notices.say(
        "offline",
        "The portal cannot be reached. Your text is kept in this tab and saved as soon as it can be.",
        { kind: "warn", actions: [again] },
      );
    } else if (saved.name === "refused") {
      notices.say(
        "refused",
        `Not saved. ${saved.words ?? "You may no longer write this report."}`,
        {
          kind: "stat",
          actions: [copy, again, { text: "Show what is saved", act: () => load({ force: true }) }],
        },
      );
    } else if (saved.name === "invalid") {
      notices.say("invalid", wordsOf(saved.words, "The portal does not take this text."), {
        kind: "stat",
        actions: [copy],
      });
    } else if (saved.name === "conflict") {
      notices.say("conflict", "Somebody saved this report elsewhere. Both versions are kept.", {
        kind: "stat",
        actions: [{ text: "Compare and choose", act: () => decide(saved.theirs) }, copy],
      });
      decide(saved.theirs);
    }
  }

  let deciding = false;
  async function decide(theirs) {
    if (deciding) return;
    deciding = true;
    const content = await resolveConflict(form.content(), theirs);
    deciding = false;
    if (!content) return;
    form.apply(content);
    notices.clear("conflict");
    await autosave.resolved(theirs.revision);
  }

  async function copyText() {
    try {
      await navigator.clipboard.writeText(form.text());
      notices.say("copied", "Your text is in the clipboard.", { kind: "ok", milliseconds: 4000 });
    } catch {
      notices.say("copied", "The browser does not let the text be copied. Select and copy it.", {
        kind: "warn",
      });
    }
  }

  function showStart(words, button, takesOver = false) {
    byId("report-start").hidden = !words && !button && !takesOver;
    byId("report-take-over").hidden = !takesOver;
    write(byId("report-start-words"), words);
    byId("report-start-button").hidden = !button;
    write(byId("report-start-button"), button || "Write the report");
  }

  function layOut() {
    const writes = form.isEditable && !form.isEmpty;
    byId("report-bar").hidden = !writes;
    byId("report-foot").hidden = !writes;
    byId("report-discard").hidden = !(writes && state?.may_discard);
    write(byId("report-template"), form.template()?.name || "Template");
    left.fill();
  }

  /** Sign buttons ask the fragment of this report; what is unsaved is saved before. */
  function aimSigning() {
    for (const kind of ["preliminary", "final"]) {
      const button = byId(`report-sign-${kind}`);
      button.setAttribute("hx-get", `/reports/${state.report}/sign/?kind=${kind}`);
      htmx.process(button);
    }
  }

  /**
   * With `wants`, somebody asked this window for the text. What only hears of a draft does not write
   * it: it may be open in another window.
   */
  async function apply(next, wants = false) {
    const before = state;
    state = next;
    const words = STATES[state.state] ?? state.state;
    const shown = state.is_addending ? `${words}, addendum` : words;
    write(byId("report-state"), state.report ? shown : "");
    byId("report-state").dataset.state = state.state;
    // Co-signature, addendum, withdrawal and critical results are offered by the server.
    document.dispatchEvent(new CustomEvent("report.standing"));
    const holds = form.isEditable && autosave.isDirty();
    if (holds && !state.writable) {
      // What was typed stays in sight; it is the person's to copy.
      autosave.changed();
      return;
    }
    if (state.writable && (wants || form.isEditable)) {
      const known = before?.writable && before.report === state.report && !form.isEmpty;
      if (!known) await edit();
      else if (state.revision > autosave.revision) {
        // Asked while this window was saving, it may be this window's own.
        await autosave.flush();
        if (autosave.state.name === "saved" && state.revision > autosave.revision) await edit();
      }
      showStart("", "");
    } else {
      autosave.stop();
      if (state.content) form.show(state.content, { editable: false });
      else form.clear();
      // Nothing in it takes the focus now, and it may be longer than the window.
      byId("report-body").tabIndex = 0;
      const offer = state.writable ? "Go on writing" : state.may_start ? "Write the report" : "";
      const why = state.may_start && !state.report ? "" : state.why;
      showStart(why, offer, state.may_take_over && !state.writable);
    }
    layOut();
  }

  async function edit() {
    material = await catalogue.all();
    const { template: named } = state.content;
    template = named ? await catalogue.template(named.id, named.version) : undefined;
    form.show(state.content, { editable: true });
    byId("report-body").tabIndex = -1;
    autosave.start(state.revision, state.saved_at);
    elsewhere = false;
    aimSigning();
    windows.send("editing");
    offerDictation();
  }

  /** One after the other: an answer never meets a form that is being built. */
  let turns = Promise.resolve();
  function inTurn(job) {
    turns = turns.then(job, job);
    return turns;
  }

  /** Looks how the report stands. With `force`, what is in this tab gives way. */
  const load = (options) => inTurn(() => loadNow(options));

  async function loadNow({ force = false, wants = force } = {}) {
    if (elsewhere && !force) return;
    if (form.isEditable && autosave.isDirty() && !force) {
      await autosave.flush();
      return;
    }
    if (force) {
      autosave.stop();
      form.clear();
      state = undefined;
    }
    const { kind, data } = await ask("GET", statePath);
    answered(kind, data);
    if (kind === "ok") await apply(data, wants);
  }

  function answered(kind, data) {
    if (kind === "ok") return notices.clear("load");
    const again = { text: "Try again", act: () => load({ force: true }) };
    if (kind === "session") {
      return notices.say("load", "Your session is over. Log in again to see the report.", {
        kind: "stat",
        actions: [{ text: "Log in in a new window", href: LOGIN }, again],
      });
    }
    return notices.say(
      "load",
      kind === "offline"
        ? "The portal cannot be reached. The report is not shown."
        : wordsOf(data, "The report cannot be shown."),
      { kind: "stat", actions: [again] },
    );
  }

  /** Becomes the writer, where nobody else is. */
  const open = () => inTurn(openNow);

  async function openNow() {
    const button = byId("report-start-button");
    button.setAttribute("aria-busy", "true");
    elsewhere = false;
    const { kind, data } = await ask("POST", statePath);
    button.removeAttribute("aria-busy");
    answered(kind, data);
    if (kind !== "ok") return;
    state = undefined;
    await apply(data, true);
    if (form.isEditable && !document.querySelector("dialog[open]")) form.focus();
  }

  /** Goes on with what another person reads, who is told. */
  function askTakeOver() {
    const dialog = byId("report-take-over-ask");
    write(
      byId("report-take-over-words"),
      `${state.writer.name} is reading it and will be told. What is written so far is kept.`,
    );
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && inTurn(takeOverNow), {
      once: true,
    });
    dialog.showModal();
  }

  async function takeOverNow() {
    const button = byId("report-take-over");
    button.setAttribute("aria-busy", "true");
    const { kind, data } = await ask("POST", `/api/studies/${study}/take-over/`);
    button.removeAttribute("aria-busy");
    if (kind === "ok") {
      await openNow();
      return;
    }
    if (kind === "conflict" || kind === "refused") await loadNow();
    notices.say(
      "load",
      kind === "offline"
        ? "The portal cannot be reached. Nothing was taken over."
        : wordsOf(data, "The study could not be taken over."),
      { kind: "stat", actions: [{ text: "Try again", act: () => load({ force: true }) }] },
    );
  }

  /** Once a window: how the report stands, and what was left on the images. */
  function look({ wants = false } = {}) {
    looking ??= Promise.all([quietly(() => store.load()), load({ wants })]);
    return looking;
  }

  async function start({ open: writes = false } = {}) {
    root.hidden = false;
    await look({ wants: true });
    // It was looked at before anybody asked for it.
    if (state?.writable && !form.isEditable) await load({ wants: true });
    if (writes && state?.may_start) await open();
    else if (form.isEditable) form.focus();
  }

  /** Puts another document into the form, with a way back. */
  function replaceContent(content, words) {
    const before = form.content();
    const formerTemplate = template;
    const result = content();
    form.apply(result);
    layOut();
    notices.say("changed", words(), {
      actions: [
        {
          text: "Undo",
          act() {
            template = formerTemplate;
            form.apply(before);
            layOut();
            notices.clear("changed");
            form.focus();
          },
        },
      ],
      milliseconds: 15_000,
    });
  }

  async function chooseTemplate() {
    const chosen = await choose({
      title: "Template",
      empty: "There are no templates for this study.",
      items: material.templates.map((each) => ({
        label: each.name,
        detail: [each.language, each.scope].filter(Boolean).join(" · "),
        value: each,
      })),
    });
    if (!chosen) return;
    const found = await catalogue.template(chosen.id, chosen.version);
    if (!found) {
      notices.say("changed", "This template could not be loaded. Nothing was changed.", {
        kind: "warn",
        milliseconds: 8000,
      });
      return;
    }
    replaceContent(
      () => {
        const content = withTemplate(form.content(), found);
        template = found;
        return content;
      },
      () => `Template: ${found.name}. Text that was there is kept.`,
    );
    form.focus();
  }

  function normalReport() {
    if (!template) {
      notices.say("changed", "Choose a template first: it says what is normal.", {
        kind: "warn",
        milliseconds: 8000,
      });
      return;
    }
    let outcome;
    replaceContent(
      () => {
        outcome = withNormal(form.content(), template.body);
        return outcome.content;
      },
      () => {
        const { filled, kept } = outcome;
        const done = filled.length
          ? `Normal text in ${listed(filled)}.`
          : "There was no empty section for normal text.";
        return kept.length ? `${done} Left as written: ${listed(kept)}.` : done;
      },
    );
  }

  async function chooseFact() {
    const fact = await choose({
      title: "Insert a fact",
      empty: "Nothing is known of this study.",
      items: material.facts.map(({ label, text }) => ({ label: text, detail: label, value: text })),
    });
    if (fact) form.insert(fact);
  }

  async function chooseMeasurement() {
    const entry = await choose({
      title: "Insert a measurement",
      empty: "Nothing has been measured. L on the images measures a length.",
      items: [...store.measurements()].reverse().map((each) => ({
        label: titleText(each),
        detail: [placeText(each), each.author && leftBy(each)].filter(Boolean).join(" · "),
        value: each,
      })),
    });
    if (entry) insertMeasurement(form, entry);
  }

  async function chooseKeyImage() {
    const found = await choose({
      title: "Insert a key image",
      empty: "There are no key images. K on the images keeps the one that is shown.",
      items: store.keyImages().map((entry, at) => ({
        label: keyImageText(entry, at + 1),
        detail: entry.author && leftBy(entry),
        value: { entry, number: at + 1 },
      })),
    });
    if (found) insertKeyImage(form, found.entry, found.number);
    left.fill();
  }

  async function offerDictation() {
    const make = await localRecogniser(form.content().language);
    const button = byId("report-dictate");
    button.hidden = !make;
    button.onclick = () => {
      if (recogniser) {
        recogniser.stop();
        return;
      }
      recogniser = make();
      recogniser.onresult = ({ results, resultIndex }) => {
        for (const result of [...results].slice(resultIndex)) form.insert(result[0].transcript);
      };
      recogniser.onend = () => {
        recogniser = undefined;
        button.setAttribute("aria-pressed", "false");
      };
      button.setAttribute("aria-pressed", "true");
      recogniser.start();
    };
  }

  async function discard() {
    const { report } = state;
    if (!(await settle())) return;
    const { kind, data } = await ask(
      "DELETE",
      `/api/reports/${report}/draft/?revision=${autosave.revision}`,
    );
    if (kind !== "ok") {
      notices.say("discard", wordsOf(data, "The draft could not be discarded."), { kind: "stat" });
      return;
    }
    await load({ force: true });
    notices.say("discard", "The draft is discarded. The study is still yours.", {
      milliseconds: 8000,
    });
  }

  function askDiscard() {
    notices.say("discard", "Discard this draft? It cannot be brought back.", {
      kind: "warn",
      actions: [
        { text: "Discard it", act: () => (notices.clear("discard"), discard()) },
        { text: "Keep it", act: () => notices.clear("discard") },
      ],
    });
  }

  const perform = {
    template: chooseTemplate,
    normal: normalReport,
    facts: chooseFact,
    measurements: chooseMeasurement,
    "key-images": chooseKeyImage,
    "next-section": () => form.step(1),
    "previous-section": () => form.step(-1),
    save: () => autosave.flush(),
    "sign-final": () => byId("report-sign-final").click(),
    "sign-preliminary": () => byId("report-sign-preliminary").click(),
    images: () => toImages?.(),
    priors: () => toPriors(),
    keys: () => byId("report-keys").showModal(),
  };
  const always = new Set(["images", "priors", "keys"]);

  root.addEventListener("keydown", (event) => {
    if (event.target.closest("dialog")) return;
    const action = actionOf(event);
    if (!action || !(always.has(action) || form.isEditable)) return;
    if (action === "images" && !toImages) return;
    event.preventDefault();
    event.stopPropagation();
    perform[action]();
  });
  for (const button of root.querySelectorAll("[data-report-action]")) {
    if (button.dataset.reportAction === "dictate") continue;
    button.addEventListener("click", () => perform[button.dataset.reportAction]());
    // The cursor stays in the text.
    button.addEventListener("mousedown", (event) => event.preventDefault());
  }
  byId("report-start-button").addEventListener("click", open);
  byId("report-take-over").addEventListener("click", askTakeOver);
  byId("report-discard").addEventListener("click", askDiscard);
  root.addEventListener("focusout", () => {
    if (form.isEditable && autosave.state.name === "dirty") autosave.flush();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && form.isEditable) autosave.flush({ leaving: true });
    else autosave.retry();
  });
  addEventListener("pagehide", () => form.isEditable && autosave.flush({ leaving: true }));
  addEventListener("online", () => autosave.retry());
  addEventListener("beforeunload", (event) => {
    if (form.isEditable && autosave.isDirty()) event.preventDefault();
  });
  stayWhile(() => form.isEditable && autosave.isDirty());
  document.addEventListener("session-over", () => autosave.flush());
  document.addEventListener("session-unlocked", () => autosave.retry());

  // What was done in this window: an addendum begun is gone on with here.
  document.addEventListener("report.changed", () => load({ wants: true }));
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.target.matches?.("[data-sign]")) return;
    event.preventDefault();
    settle().then((saved) => {
      if (saved) event.detail.issueRequest(true);
      else
        notices.say("sign", "Sign when everything is saved.", { kind: "warn", milliseconds: 8000 });
    });
  });
  document.addEventListener("htmx:configRequest", ({ target, detail }) => {
    if (!target.closest?.("#report")) return;
    detail.parameters.revision ??= autosave.revision;
    detail.parameters.other_patient_open ??= root.dataset.otherPatient === "true" ? "1" : "";
  });
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    const dialog = byId("report-dialog");
    if (detail.target !== dialog) return;
    if (!dialog.childElementCount) dialog.close();
    else if (!dialog.open) dialog.showModal();
  });
  for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(kind, (event) => {
      if (!event.target.matches?.("[data-sign]")) return;
      notices.say("sign", "The portal did not answer. Nothing was signed.", {
        kind: "stat",
        milliseconds: 12_000,
      });
    });
  }
  watchEvents({
    onEvent(message) {
      if (message.type === "refetch") load();
      else if (message.study !== study) return;
      else if (message.type === "report.changed" || message.type === "study.changed") load();
      else if (message.type === "annotation.changed") quietly(() => store.load());
    },
    again: () => load(),
  });

  return {
    start,
    look,
    windows,
    settle,
    /** A key image was kept on the images: it goes into the report that is being written. */
    keyImageKept(id) {
      if (!form.isEditable || form.keyImages().some((one) => one.id === id)) return;
      form.setKeyImages([...form.keyImages(), { id, caption: "" }]);
      left.fill();
    },
    measurementRemoved(id) {
      if (form.isEditable) form.forgetMeasurement(id);
    },
    keyImageRemoved(id) {
      if (form.isEditable) form.setKeyImages(form.keyImages().filter((one) => one.id !== id));
    },
  };
}
