/** Which page is shown: the address, followed and changed without loading anew. */
import { signal } from "@preact/signals";

export interface Place {
  path: string;
  query: URLSearchParams;
  /** Whether somebody came here by a link of ours, and not by loading the page. */
  moved: boolean;
}

export type Params = Readonly<Record<string, string>>;

function here(moved: boolean): Place {
  return { path: window.location.pathname, query: new URLSearchParams(window.location.search), moved };
}

export const place = signal<Place>({ path: "/", query: new URLSearchParams(), moved: false });

/** What a pattern such as `/people/{id}` finds in a path; null when it is another path. */
export function match(pattern: string, path: string): Params | null {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const found = given[index] ?? "";
    if (part.startsWith("{")) {
      if (found === "") return null;
      try {
        params[part.slice(1, -1)] = decodeURIComponent(found);
      } catch {
        return null;
      }
    } else if (part !== found) return null;
  }
  return params;
}

/** A path of this office, from something that may have been written by anybody; `/` for all else. */
export function localPath(wanted: string | null): string {
  if (wanted === null || !/^\/(?![/\\])/.test(wanted)) return "/";
  const url = new URL(wanted, "http://rollcall.invalid");
  return url.host === "rollcall.invalid" ? url.pathname + url.search : "/";
}

/** Show another page. `replace`: the way back leads past this one. */
export function go(path: string, { replace = false } = {}): void {
  if (replace) window.history.replaceState(null, "", path);
  else window.history.pushState(null, "", path);
  place.value = here(true);
  window.scrollTo(0, 0);
}

/** Change the query of the page that is shown, as a filter does. An empty value takes its member away. */
export function setQuery(changes: Record<string, string>): void {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  window.history.replaceState(null, "", place.value.path + (text === "" ? "" : `?${text}`));
  place.value = { ...place.value, query };
}

/** Follow links inside the office, and the browser's back and forward. */
export function startRouter(isOurs: (path: string) => boolean): void {
  place.value = here(false);
  window.addEventListener("popstate", () => (place.value = here(true)));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) {
      return;
    }
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.target !== "" || link.hasAttribute("download") || link.origin !== window.location.origin) return;
    if (!isOurs(link.pathname) || link.hash !== "") return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
