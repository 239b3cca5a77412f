/** What makes this browser a camera: a code that becomes a token. */
import type { Paired } from "./wire";

const KEY = "rollcall.device";
const CODE_LENGTH = 8;

/** A code as it is shown, from whatever was typed: `7kq2m9xd` becomes `7KQ2-M9XD`. */
export function shownCode(typed: string): string {
  const signs = typed.toUpperCase().replace(/[^0-9A-Z]/g, "").slice(0, CODE_LENGTH);
  return signs.length > 4 ? `${signs.slice(0, 4)}-${signs.slice(4)}` : signs;
}

export function isWholeCode(code: string): boolean {
  return shownCode(code).length === CODE_LENGTH + 1;
}

/** The code of an address such as `/camera#code=7KQ2-M9XD`. A fragment never reaches a server or its log. */
export function codeOf(fragment: string): string | null {
  const code = new URLSearchParams(fragment.replace(/^#/, "")).get("code");
  return code !== null && isWholeCode(code) ? shownCode(code) : null;
}

/** Take the code out of the address bar, so that it is not left in the history, a screenshot or a bookmark. */
export function takeCode(location: Location, history: History): string | null {
  if (location.hash === "") return null;
  const code = codeOf(location.hash);
  history.replaceState(null, "", location.pathname + location.search);
  return code;
}

/** What to call this device: enough to find it in a list, nothing that identifies a person. */
export function deviceName(userAgent: string): string {
  const named: [RegExp, string][] = [
    [/iPhone/, "iPhone"],
    [/iPad/, "iPad"],
    [/Android.*Mobile/, "Android phone"],
    [/Android/, "Android tablet"],
    [/CrOS/, "Chromebook"],
    [/Windows/, "Windows computer"],
    [/Macintosh/, "Mac"],
    [/Linux/, "Linux computer"],
  ];
  return named.find(([pattern]) => pattern.test(userAgent))?.[1] ?? "Browser";
}

function isPaired(value: unknown): value is Paired {
  if (typeof value !== "object" || value === null) return false;
  const device = value as Record<string, unknown>;
  return ["token", "camera_id", "name", "device_id"].every((name) => typeof device[name] === "string");
}

/**
 * The pairing of this browser.
 *
 * It is kept in localStorage and not in a cookie: the token goes to the socket as a subprotocol and to WHIP as a
 * header, so a script has to read it. A paired phone must stay paired over restarts. The token opens one camera and
 * nothing else, can be revoked, and the policy of the page lets no foreign script run that could take it.
 */
export class Pairing {
  constructor(private readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem">) {}

  read(): Paired | null {
    try {
      const kept: unknown = JSON.parse(this.storage.getItem(KEY) ?? "null");
      return isPaired(kept) ? kept : null;
    } catch {
      return null;
    }
  }

  /** False when the browser keeps nothing, as in some private windows: then it holds until the page is closed. */
  keep(device: Paired): boolean {
    try {
      this.storage.setItem(KEY, JSON.stringify(device));
      return true;
    } catch {
      return false;
    }
  }

  forget(): void {
    try {
      this.storage.removeItem(KEY);
    } catch {
      // Nothing was kept then.
    }
  }
}
