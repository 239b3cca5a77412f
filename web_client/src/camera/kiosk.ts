/** What a kiosk says to whoever stands before it. */
import { text, timeOfDay } from "../text";
import type { Face, Faces } from "../wire";
import { reasonOf } from "./labels";
import { type Mark, markOf } from "./marks";

export interface Prompt {
  tone: "idle" | "guide" | "good" | "stranger";
  title: string;
  detail: string;
}

// Somebody who walks by far behind is not the second in the queue.
const BYSTANDER = 0.45;
const CONFIRM_MS = 3500;
const WAITING_MAX = 8;

function width(face: Face): number {
  return face.box[2] - face.box[0];
}

/** The prompt for what is seen now. */
export function promptFor(faces: Faces | null, marks: readonly Mark[]): Prompt {
  const words = text.camera.kiosk;
  const byWidth = [...(faces?.faces ?? [])].sort((a, b) => width(b) - width(a));
  const [nearest, next] = byWidth;
  if (!nearest) return { tone: "idle", title: words.nobody, detail: "" };
  if (next && width(next) > BYSTANDER * width(nearest)) return { tone: "guide", title: words.many, detail: "" };
  if (nearest.state === "known" && nearest.person) {
    const mark = markOf(marks, nearest.person.id);
    const detail = mark ? words.since(capital(text.camera.attendance[mark.status]), timeOfDay(mark.at)) : "";
    return { tone: "good", title: words.known(nearest.person.name), detail };
  }
  if (nearest.state === "unknown") return { tone: "stranger", title: words.unknown, detail: words.unknownHelp };
  if (nearest.state === "unusable") return { tone: "guide", title: words[reasonOf(nearest)], detail: "" };
  return { tone: "guide", title: nearest.state === "review" ? words.review : words.pending, detail: "" };
}

export function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Somebody to greet; `said` stands for status and time. */
export interface Greeting extends Mark {
  said?: string;
}

/** Confirmations are shown one after the other, each long enough to be read. Times are milliseconds of one clock. */
export class Confirmations {
  private waiting: Greeting[] = [];
  private shown: Greeting | null = null;
  private until = 0;

  /** Whoever is greeted already, because a PIN was answered before its event came, is not greeted twice. */
  add(mark: Greeting): void {
    const known = [this.shown, ...this.waiting].some((other) => other?.personId === mark.personId);
    if (known) return;
    this.waiting.push(mark);
    if (this.waiting.length > WAITING_MAX) this.waiting.shift();
  }

  /** The one to show now; null when there is none. */
  at(now: number): Greeting | null {
    if (this.shown && now < this.until) return this.shown;
    this.shown = this.waiting.shift() ?? null;
    this.until = now + CONFIRM_MS;
    return this.shown;
  }
}
