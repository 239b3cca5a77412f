/** Light or dark: as the device has it, unless somebody chose otherwise here. */
export type Theme = "auto" | "light" | "dark";

const KEY = "rollcall.theme";

export function chosenTheme(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "auto";
  } catch {
    return "auto";
  }
}

export function chooseTheme(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A private window: it holds until the page is closed.
  }
  showTheme(theme);
}

export function showTheme(theme: Theme = chosenTheme()): void {
  if (theme === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}
