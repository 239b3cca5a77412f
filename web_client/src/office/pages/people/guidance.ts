/** What somebody before a camera is told, and when a picture of them is good enough to be taken. */
import type { Shapes } from "../../rest";

export type Check = Shapes["FaceCheck"];
export type Pose = "straight" | "left" | "right";
export type Light = "dark" | "bright" | "behind" | null;
export type Hint =
  | "no_face" | "several_faces" | "too_small" | "blurred" | "turned"
  | "dark" | "bright" | "behind" | "hold" | "more" | "less";

/** The angles that are wanted, in this order. */
export const POSES: readonly Pose[] = ["straight", "left", "right"];

// Of the distance between the eyes. What the server refuses as turned begins at 0.55.
const STRAIGHT_MAX = 0.14;
const TURNED_MIN = 0.17;
const TURNED_MAX = 0.5;
// Mean brightness, 0 to 255.
const DARK = 55;
const BRIGHT = 225;
const BEHIND_FACTOR = 0.55;

/** How far somebody has turned to the side that is wanted. The picture is not mirrored: their left is at its right. */
function towards(pose: Pose, yaw: number): number {
  return pose === "left" ? yaw : -yaw;
}

/** What to tell them, given what the server says of the last picture, and the light in it. */
export function hintFor(check: Check, wanted: Pose, light: Light): Hint {
  // A face that cannot be seen for the dark is no face to the server.
  if (check.refusal !== null) return light === "dark" || (light !== null && check.refusal !== "no_face") ? light : check.refusal;
  if (light === "dark" || light === "behind") return light;
  const yaw = check.face?.yaw ?? 0;
  if (wanted === "straight") return Math.abs(yaw) <= STRAIGHT_MAX ? "hold" : "less";
  const turned = towards(wanted, yaw);
  if (turned < TURNED_MIN) return "more";
  return turned > TURNED_MAX ? "less" : "hold";
}

type Box = readonly [number, number, number, number];

/** Mean brightness (0 to 255) of a part of a picture in RGBA; the box is in parts of its width and height. */
export function brightness(rgba: Uint8ClampedArray, width: number, height: number, box: Box = [0, 0, 1, 1]): number {
  const clamp = (share: number, most: number) => Math.max(0, Math.min(most, Math.round(share * most)));
  const [x1, y1, x2, y2] = [clamp(box[0], width), clamp(box[1], height), clamp(box[2], width), clamp(box[3], height)];
  let sum = 0;
  let count = 0;
  for (let y = y1; y < y2; y += 1) {
    for (let x = x1; x < x2; x += 1) {
      const at = 4 * (y * width + x);
      sum += 0.299 * (rgba[at] ?? 0) + 0.587 * (rgba[at + 1] ?? 0) + 0.114 * (rgba[at + 2] ?? 0);
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}

/** What is wrong with the light: on the face where one was found, else in the whole picture. */
export function lightOf(face: number | null, all: number): Light {
  if (face === null) return all < DARK ? "dark" : null;
  if (face > BRIGHT) return "bright";
  if (face < BEHIND_FACTOR * all) return "behind";
  return face < DARK ? "dark" : null;
}

/** Decides when a picture is taken: good twice in a row, so that nobody is taken in the middle of turning. */
export class Steps {
  private good = 0;
  private at = 0;

  get wanted(): Pose | null {
    return POSES[this.at] ?? null;
  }

  get taken(): number {
    return this.at;
  }

  /** True when the picture that this hint is of should be taken. */
  feed(hint: Hint): boolean {
    this.good = hint === "hold" ? this.good + 1 : 0;
    return this.good >= 2;
  }

  /** The picture was taken, or its angle is left out. */
  next(): void {
    this.at += 1;
    this.good = 0;
  }

  /** The server refused it after all. */
  again(): void {
    this.good = 0;
  }
}
