/** Draws boxes with names over the picture, on a canvas: names are drawn as text and never become HTML. */
import { type Fit, placeBox, type Rect, type Size } from "../capture/geometry";
import type { Faces } from "../wire";
import { type Label, labelOf, type Tone } from "./labels";
import type { Mark } from "./marks";

// Each on its label 4.5:1 or better, and told apart by the sign too.
const LOOKS: Record<Tone, { line: string; fill: string; ink: string; sign: string }> = {
  good: { line: "#3ddc97", fill: "#0b6e4f", ink: "#ffffff", sign: "✓ " },
  late: { line: "#ffc145", fill: "#ffc145", ink: "#241a00", sign: "✓ " },
  known: { line: "#3ddc97", fill: "#0e3b2d", ink: "#e6fff5", sign: "" },
  wait: { line: "#d5dbe3", fill: "rgba(20, 24, 31, 0.85)", ink: "#ffffff", sign: "" },
  stranger: { line: "#9fb0c3", fill: "rgba(20, 24, 31, 0.85)", ink: "#ffffff", sign: "" },
  hint: { line: "#7cc4ff", fill: "#0b4f86", ink: "#ffffff", sign: "" },
};
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const TITLE_PX = 15;
const DETAIL_PX = 13;
// Wider than a narrow box: a name that is cut helps nobody.
const NAME_MIN_WIDTH = 150;
const HINT_MIN_WIDTH = 96;
const GAP = 6;
const EDGE = 4;
const RANK: Record<Tone, number> = { good: 0, late: 0, known: 1, hint: 2, wait: 3, stranger: 3 };

export interface Scene {
  faces: Faces | null;
  marks: readonly Mark[];
  fit: Fit;
  mirrored: boolean;
}

/** Fits the canvas to its element; setting the size also clears it. */
export function fitCanvas(canvas: HTMLCanvasElement, ratio: number): Size {
  const { clientWidth: width, clientHeight: height } = canvas;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  return { width, height };
}

export function draw(canvas: HTMLCanvasElement, scene: Scene): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const size = fitCanvas(canvas, ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  const { faces } = scene;
  if (!faces) return;
  const sent = { width: faces.width_px, height: faces.height_px };
  const seen = faces.faces.map((face) => ({
    box: placeBox(face.box, sent, size, scene.fit, scene.mirrored),
    label: labelOf(face, scene.marks),
  }));
  for (const { box, label } of seen) drawBox(context, box, LOOKS[label.tone].line);
  // Names before everything else: in a full class not every "unknown" finds room.
  seen.sort((a, b) => RANK[a.label.tone] - RANK[b.label.tone] || b.box.width - a.box.width);
  const taken: Rect[] = [];
  for (const { box, label } of seen) {
    const words = measure(context, box, label);
    const place = placeLabel(box, words, size, taken);
    if (!place) continue;
    taken.push(place);
    drawLabel(context, place, words, LOOKS[label.tone]);
  }
}

interface Words extends Size {
  title: string;
  detail: string;
}

function measure(context: CanvasRenderingContext2D, box: Rect, label: Label): Words {
  const widest = Math.max(label.detail ? NAME_MIN_WIDTH : HINT_MIN_WIDTH, box.width);
  const title = cut(context, LOOKS[label.tone].sign + label.title, 600, TITLE_PX, widest);
  const detail = cut(context, label.detail, 400, DETAIL_PX, widest);
  return {
    title: title.text,
    detail: detail.text,
    width: Math.max(title.width, detail.width) + 16,
    height: (label.detail ? TITLE_PX + DETAIL_PX + 6 : TITLE_PX) + 11,
  };
}

function drawBox(context: CanvasRenderingContext2D, box: Rect, colour: string): void {
  // Dark under light, so that the line is seen on any picture.
  for (const [style, width] of [["rgba(0, 0, 0, 0.55)", 5], [colour, 2.5]] as const) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    roundedPath(context, box, Math.min(12, box.width / 5));
    context.stroke();
  }
}

function drawLabel(context: CanvasRenderingContext2D, place: Rect, words: Words, look: { fill: string; ink: string }): void {
  context.fillStyle = look.fill;
  context.beginPath();
  roundedPath(context, place, 8);
  context.fill();
  context.fillStyle = look.ink;
  context.textBaseline = "top";
  write(context, words.title, 600, TITLE_PX, place.x + 8, place.y + 6);
  if (words.detail) write(context, words.detail, 400, DETAIL_PX, place.x + 8, place.y + 6 + TITLE_PX + 5);
}

/**
 * Where the label of a box goes: below it, above it, or pushed a little aside, and always inside the picture. Null when
 * each of these would cover a label that matters more.
 */
export function placeLabel(box: Rect, label: Size, inside: Size, taken: readonly Rect[]): Rect | null {
  const middle = box.x + (box.width - label.width) / 2;
  const [below, above] = [box.y + box.height + GAP, box.y - label.height - GAP];
  const across = [middle, box.x + box.width - label.width, box.x];
  for (const y of [below, above]) {
    if (y < EDGE || y + label.height > inside.height - EDGE) continue;
    for (const wanted of across) {
      const place = { ...label, x: clamp(wanted, EDGE, inside.width - label.width - EDGE), y };
      if (!taken.some((other) => overlap(place, other))) return { x: place.x, y, width: label.width, height: label.height };
    }
  }
  if (taken.length > 0) return null;
  const y = clamp(below, EDGE, inside.height - label.height - EDGE);
  return { x: clamp(middle, EDGE, inside.width - label.width - EDGE), y, width: label.width, height: label.height };
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function write(context: CanvasRenderingContext2D, words: string, weight: number, px: number, x: number, y: number): void {
  context.font = `${weight} ${px}px ${FONT}`;
  context.fillText(words, x, y);
}

function cut(
  context: CanvasRenderingContext2D,
  words: string,
  weight: number,
  px: number,
  widest: number,
): { text: string; width: number } {
  context.font = `${weight} ${px}px ${FONT}`;
  let shown = words;
  while (context.measureText(shown).width > widest && shown.length > 2) shown = `${shown.slice(0, -2).trimEnd()}…`;
  return { text: shown, width: context.measureText(shown).width };
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

// `roundRect` came to browsers in 2023; phones are older.
function roundedPath(context: CanvasRenderingContext2D, { x, y, width, height }: Rect, radius: number): void {
  context.moveTo(x + radius, y);
  context.arcTo(x + width, y, x + width, y + height, radius);
  context.arcTo(x + width, y + height, x, y + height, radius);
  context.arcTo(x, y + height, x, y, radius);
  context.arcTo(x, y, x + width, y, radius);
  context.closePath();
}
