import { write } from "./dom.js";
import { otherIdentity } from "./identity.js";
import { edgeLetters } from "./orientation.js";
import { locationOf } from "./sorting.js";
import { Tag, number, text, values } from "./tags.js";
import { rangeWindow } from "./voi.js";
import { date, measure, personName, time, windowText } from "./wording.js";

const lines = (...parts) => parts.filter(Boolean).join("\n");
const unit = (value, name, digits) =>
  value === undefined ? "" : `${measure(value, digits)} ${name}`;
const joined = (...parts) => parts.filter(Boolean).join("  ");

const moments = [
  [Tag.AcquisitionDate, Tag.AcquisitionTime],
  [Tag.ContentDate, Tag.ContentTime],
  [Tag.SeriesDate, Tag.SeriesTime],
  [Tag.StudyDate, Tag.StudyTime],
];

/** When the picture was taken: a date and a time of the same level, the nearest to the picture. */
export function takenAt(dataset) {
  const [day, clock] = moments.find(([tag]) => text(dataset, tag)) ?? [];
  return day ? joined(date(text(dataset, day)), time(text(dataset, clock))) : "";
}

/** Patient and study, as the picture's own header says them. */
export function patientLines({ dataset }) {
  return lines(
    personName(text(dataset, Tag.PatientName)),
    text(dataset, Tag.PatientID),
    text(dataset, Tag.StudyDescription),
    takenAt(dataset),
  );
}

const sides = { L: "Left", R: "Right", B: "Both sides" };

function technique({ dataset, modality }) {
  if (modality === "CT") {
    return [
      joined(
        unit(number(dataset, Tag.KVP), "kV", 0),
        unit(number(dataset, Tag.XRayTubeCurrent), "mA", 0),
      ),
      text(dataset, Tag.ConvolutionKernel),
    ];
  }
  if (modality === "MR") {
    const [tr, te] = [number(dataset, Tag.RepetitionTime), number(dataset, Tag.EchoTime)];
    return [
      joined(
        tr === undefined ? "" : `TR ${measure(tr)}`,
        te === undefined ? "" : `TE ${measure(te)}`,
      ),
    ];
  }
  return [text(dataset, Tag.ViewPosition)];
}

export function seriesLines(frame) {
  const { dataset, modality } = frame;
  const seriesNumber = number(dataset, Tag.SeriesNumber);
  const side = text(dataset, Tag.ImageLaterality) || text(dataset, Tag.Laterality);
  return lines(
    joined(seriesNumber === undefined ? "" : `Series ${seriesNumber}`, modality),
    text(dataset, Tag.SeriesDescription),
    joined(text(dataset, Tag.BodyPartExamined), sides[side] ?? side),
    ...technique(frame),
  );
}

export function imageLines({ index, count, frame }) {
  const location = locationOf(frame) ?? number(frame.dataset, Tag.SliceLocation);
  return lines(
    frame.byServer ? "Shown as rendered by the server" : "",
    text(frame.dataset, Tag.LossyImageCompression) === "01" ? "Lossy compressed" : "",
    frame.spacing.source === "none" || frame.spacing.source === "ratio" ? "Not to scale" : "",
    unit(number(frame.dataset, Tag.SliceThickness), "mm thick"),
    location === undefined ? "" : `Location ${measure(location)} mm`,
    frame.frames > 1 && frame.frames !== count ? `Frame ${frame.frame}/${frame.frames}` : "",
    `Image ${index + 1}/${count}`,
  );
}

const shapes = { SIGMOID: "Sigmoid", TABLE: "VOI LUT" };

export function windowLines({ range, shape, zoom, perPixel, inverted, color }) {
  return lines(
    inverted ? "Inverted" : "",
    Math.abs(perPixel - 1) < 1e-3 ? "1:1" : `Zoom ${measure(zoom * 100, 0)} %`,
    range && !(color && range.lower === 0 && range.upper === 255)
      ? joined(shapes[shape], windowText(rangeWindow(range, shape)))
      : "",
  );
}

/** Writes what is on the screen into the corners and edges of the viewport. */
export function createOverlay(root, patient) {
  const part = (name) => root.querySelector(`[data-overlay="${name}"]`);
  const corners = {
    patient: part("patient"),
    series: part("series"),
    window: part("window"),
    image: part("image"),
  };
  const edges = ["top", "bottom", "left", "right"].map((edge) => [edge, part(edge)]);
  const warning = part("identity");

  return {
    show(shown) {
      const { frame } = shown;
      root.hidden = false;
      write(corners.patient, patientLines(frame));
      write(corners.series, seriesLines(frame));
      write(corners.window, windowLines(shown));
      write(corners.image, imageLines(shown));
      const letters = edgeLetters(shown.camera, {
        orientation: frame.orientation,
        patientOrientation: values(frame.dataset, Tag.PatientOrientation),
        quadruped: text(frame.dataset, Tag.AnatomicalOrientationType) === "QUADRUPED",
      });
      for (const [edge, element] of edges) write(element, letters[edge]);
      const words = otherIdentity(frame.dataset, patient);
      warning.hidden = !words;
      write(warning, words && `This image ${words}`);
    },
    hide() {
      root.hidden = true;
    },
  };
}
