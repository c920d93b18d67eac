/** The plots of the statistics page; each number is also in the table beside them. */
import uPlot from "uplot";

const data = JSON.parse(document.getElementById("plots").textContent);
const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const HEIGHT = 220;

function axis(options = {}) {
  return {
    stroke: colour("muted"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1 },
    font: "12px system-ui, sans-serif",
    ...options,
  };
}

function series(label, stroke, dash) {
  return {
    label,
    stroke: colour(stroke),
    width: 2,
    dash,
    points: { show: data.labels.length < 32, size: 6 },
  };
}

function draw(element, lines, values) {
  const places = data.labels.map((_, at) => at);
  const options = {
    width: element.clientWidth,
    height: HEIGHT,
    scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [
      axis({
        space: 70,
        incrs: [1, 2, 5, 7, 10, 14, 20, 28, 50, 100],
        values: (_, splits) => splits.map((at) => data.labels[at]?.slice(5) ?? ""),
      }),
      axis({
        size: 48,
        values: (_, splits) => splits.map((at) => (Number.isInteger(at) ? at : "")),
      }),
    ],
    series: [
      { label: "Date", value: (_, at) => (at === null ? "–" : (data.labels[at] ?? "–")) },
      ...lines,
    ],
  };
  const plot = new uPlot(options, [places, ...values], element);
  new ResizeObserver(() => {
    if (plot.width !== element.clientWidth) {
      plot.setSize({ width: element.clientWidth, height: HEIGHT });
    }
  }).observe(element);
}

draw(
  document.querySelector("[data-plot=volumes]"),
  [series("Received", "accent"), series("Finished", "ok", [6, 4])],
  [data.received, data.finished],
);
draw(document.querySelector("[data-plot=waiting]"), [series("Waiting", "warn")], [data.waiting]);
document.documentElement.dataset.page = "ready";
