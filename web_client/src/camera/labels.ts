/** What is written at a face. */
import { text, timeOfDay } from "../text";
import type { Face } from "../wire";
import { type Mark, markOf } from "./marks";

export type Tone = "good" | "late" | "known" | "wait" | "stranger" | "hint";

export interface Label {
  tone: Tone;
  title: string;
  detail: string;
}

const REASONS = ["too_small", "blurred", "turned"] as const;
export type Reason = (typeof REASONS)[number] | "unusable";

/** The reason of an unusable face that this page has words for. */
export function reasonOf(face: Face): Reason {
  return REASONS.find((reason) => reason === face.reason) ?? "unusable";
}

export function labelOf(face: Face, marks: readonly Mark[]): Label {
  const words = text.camera.face;
  if (face.state === "known" && face.person) {
    const mark = markOf(marks, face.person.id);
    if (!mark) return { tone: "known", title: face.person.name, detail: words.known };
    const at = timeOfDay(mark.at);
    const status = text.camera.attendance[mark.status];
    const tone = mark.status === "late" ? "late" : "good";
    return { tone, title: face.person.name, detail: at ? `${status}, ${at}` : status };
  }
  if (face.state === "unusable") return { tone: "hint", title: words[reasonOf(face)], detail: "" };
  if (face.state === "unknown") return { tone: "stranger", title: words.unknown, detail: "" };
  // States of later versions are shown as what is not decided.
  return { tone: "wait", title: face.state === "review" ? words.review : words.pending, detail: "" };
}
