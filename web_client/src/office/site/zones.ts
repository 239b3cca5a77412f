/** Time zones to choose among: those that this browser knows, and whatever is set. */
export function zonesWith(...wanted: readonly string[]): { value: string; label: string }[] {
  // Not there in browsers from before 2022: what is set, and where the browser is, can be chosen all the same.
  const intl: { supportedValuesOf?: (key: "timeZone") => string[] } = Intl;
  const known = intl.supportedValuesOf?.("timeZone") ?? [];
  const all = new Set(["UTC", ...known, ...wanted]);
  return [...all].sort().map((value) => ({ value, label: value.replaceAll("_", " ") }));
}
