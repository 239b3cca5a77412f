/** A word in a coloured field. The word says it all; the colour only helps. */
import type { ComponentChildren } from "preact";

export type Tone = "good" | "warn" | "bad" | "info" | "plain";

export function Badge({ tone = "plain", children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={`badge badge-${tone}`}>{children}</span>;
}

function firstSign(part = ""): string {
  return part === "" ? "" : String.fromCodePoint(part.codePointAt(0) ?? 0);
}

/** The initials of somebody; what they stand for is written beside it. */
export function Initials({ name }: { name: string }) {
  const parts = name.trim().split(/\s+/u);
  const first = firstSign(parts[0]);
  const last = parts.length > 1 ? firstSign(parts[parts.length - 1]) : "";
  return (
    <span class="initials" aria-hidden="true">
      {(first + last).toLocaleUpperCase()}
    </span>
  );
}
