/** Series and priors that are dragged from the rail into a viewport. */

const kind = "application/x-lightbox-series";

/**
 * @param {DragEvent} event
 * @param {{study: number, uid?: string}} what
 */
export function beginDrag(event, what) {
  event.dataTransfer.setData(kind, JSON.stringify(what));
  event.dataTransfer.effectAllowed = "copy";
}

/** `onDrop({study, uid})` is told of what is dropped on the element. */
export function acceptDrops(element, onDrop) {
  const isOurs = (event) => event.dataTransfer?.types.includes(kind);
  const mark = (now) => element.classList.toggle("is-target", now);

  element.addEventListener("dragover", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    mark(true);
  });
  element.addEventListener("dragleave", (event) => {
    if (!element.contains(event.relatedTarget)) mark(false);
  });
  element.addEventListener("drop", (event) => {
    mark(false);
    if (!isOurs(event)) return;
    event.preventDefault();
    let what;
    try {
      what = JSON.parse(event.dataTransfer.getData(kind));
    } catch {
      return;
    }
    if (Number.isInteger(what?.study)) onDrop({ study: what.study, uid: what.uid });
  });
}
