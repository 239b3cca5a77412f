/** What went wrong, in words for people. */
import { words } from "words/parts";
import type { RequestFailed } from "../api";

/** What the server says, with its hint; the words for what never reached it are ours. */
export function inWords(failure: RequestFailed): { detail: string; hint: string } {
  if (failure.status === 0 && failure.code === "away") return { detail: words.away, hint: "" };
  if (failure.message === "") return { detail: words.answered(failure.status), hint: "" };
  const detail = failure.message.charAt(0).toUpperCase() + failure.message.slice(1);
  return { detail: /[.!?…]$/.test(detail) ? detail : `${detail}.`, hint: failure.hint };
}

/** The same in one line. */
export function inOneLine(failure: RequestFailed): string {
  const { detail, hint } = inWords(failure);
  return hint === "" ? detail : `${detail} (${hint})`;
}
