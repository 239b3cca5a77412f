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
const LABEL_MIN_WIDTH = 96;

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
  // The nearest last, so that its label is in front.
  const byWidth = [...faces.faces].sort((a, b) => a.box[2] - a.box[0] - (b.box[2] - b.box[0]));
  for (const face of byWidth) {
    const box = placeBox(face.box, sent, size, scene.fit, scene.mirrored);
    drawFace(context, box, labelOf(face, scene.marks), size);
  }
}

function drawFace(context: CanvasRenderingContext2D, box: Rect, label: Label, size: Size): void {
  const look = LOOKS[label.tone];
  // Dark under light, so that the line is seen on any picture.
  for (const [colour, width] of [["rgba(0, 0, 0, 0.55)", 5], [look.line, 2.5]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    roundedPath(context, box, Math.min(12, box.width / 5));
    context.stroke();
  }
  const widest = Math.max(LABEL_MIN_WIDTH, box.width);
  const title = cut(context, look.sign + label.title, 600, TITLE_PX, widest);
  const detail = label.detail ? cut(context, label.detail, 400, DETAIL_PX, widest) : null;
  const width = Math.max(title.width, detail?.width ?? 0) + 16;
  const height = (detail ? TITLE_PX + DETAIL_PX + 6 : TITLE_PX) + 11;
  const below = box.y + box.height + 6;
  const x = clamp(box.x + (box.width - width) / 2, 4, size.width - width - 4);
  const y = below + height > size.height - 4 ? Math.max(4, box.y - height - 6) : below;
  context.fillStyle = look.fill;
  context.beginPath();
  roundedPath(context, { x, y, width, height }, 8);
  context.fill();
  context.fillStyle = look.ink;
  context.textBaseline = "top";
  write(context, title.text, 600, TITLE_PX, x + 8, y + 6);
  if (detail) write(context, detail.text, 400, DETAIL_PX, x + 8, y + 6 + TITLE_PX + 5);
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
