/** Short notes at the edge of the page, which are also read out. */
import { signal } from "@preact/signals";
import { words } from "words/parts";
import { Icon } from "../icons";
import { inOneLine } from "../problems";
import { failureOf } from "../resource";
import { IconButton } from "./Button";

interface Toast {
  id: number;
  text: string;
  tone: "good" | "bad";
}

const SHOWN_MAX = 4;
const GOOD_MS = 6000;
const shown = signal<readonly Toast[]>([]);
let last = 0;

function remove(id: number): void {
  shown.value = shown.value.filter((toast) => toast.id !== id);
}

export function toast(text: string, tone: Toast["tone"] = "good"): void {
  const id = ++last;
  shown.value = [...shown.value, { id, text, tone }].slice(-SHOWN_MAX);
  // What went wrong stays until it is put away: nobody has to be quick.
  if (tone === "good") setTimeout(() => remove(id), GOOD_MS);
}

/** Say why something did not work. */
export function toastFailure(error: unknown): void {
  toast(inOneLine(failureOf(error)), "bad");
}

/** Where they appear; the shell has one. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown.value.map(({ id, text, tone }) => (
        <div key={id} class={`toast toast-${tone}`}>
          <Icon name={tone === "good" ? "check" : "warning"} />
          <p>{text}</p>
          <IconButton name="cancel" label={words.dismiss} onClick={() => remove(id)} />
        </div>
      ))}
    </div>
  );
}
