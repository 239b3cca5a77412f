/** Which events a webhook is told of, as something to choose among. */
import { words } from "words/webhooks";
import type { Shapes } from "../../rest";

export type Webhook = Shapes["WebhookBody"];
export type EventKind = Shapes["EventKind"];

/** All kinds, and filters such as `attendance.*` that are set and are none of them. */
export function choices(kinds: readonly EventKind[], chosen: readonly string[]): EventKind[] {
  const known = new Set(kinds.map(({ type }) => type));
  const others = chosen.filter((one) => !known.has(one));
  return [...others.map((type) => ({ type, about: words.like(type.replace(/\*$/, "")) })), ...kinds];
}

export function stateOf({ enabled, failures }: Webhook): "on" | "off" | "failing" {
  if (!enabled) return "off";
  return failures > 0 ? "failing" : "on";
}
