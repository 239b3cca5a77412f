/** Bars in the colours of the page. Only what these need of the library is taken along. */
import { BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, Tooltip } from "chart.js";
import { STATUSES, type Line } from "./figures";

Chart.register(BarController, BarElement, CategoryScale, Legend, LinearScale, Tooltip);

// Told apart by their brightness too; each meets 3:1 against its neighbours or the ground, and the legend names them.
const LIGHT = { present: "#2e9e74", late: "#e0a100", absent: "#b3261e", excused: "#6f93d8" };
const DARK = { present: "#3ddc97", late: "#f2c14e", absent: "#ff7a6e", excused: "#8ab8ff" };

export function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === undefined ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
}

/** Draw the lines; `sideways`: a bar for each from left to right, for long names. The answer ends it. */
export function draw(canvas: HTMLCanvasElement, lines: readonly Line[], names: Record<(typeof STATUSES)[number], string>, sideways: boolean): () => void {
  const colours = isDark() ? DARK : LIGHT;
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--soft").trim();
  const grid = style.getPropertyValue("--line").trim();
  const counts = { stacked: true, beginAtZero: true, ticks: { color: ink, precision: 0 }, grid: { color: grid }, border: { display: false } };
  const named = { stacked: true, ticks: { color: ink }, grid: { display: false }, border: { color: grid } };
  const chart = new Chart(canvas, {
    type: "bar",
    data: {
      labels: lines.map(({ label }) => label),
      datasets: STATUSES.map((status) => ({
        label: names[status], data: lines.map((line) => line.counts[status]), backgroundColor: colours[status], maxBarThickness: 44, borderRadius: 3,
      })),
    },
    options: {
      indexAxis: sideways ? "y" : "x",
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", axis: sideways ? "y" : "x", intersect: false },
      scales: sideways ? { x: counts, y: named } : { x: named, y: counts },
      plugins: { legend: { position: "bottom", labels: { color: ink, boxWidth: 14, boxHeight: 14 } } },
    },
  });
  return () => chart.destroy();
}
