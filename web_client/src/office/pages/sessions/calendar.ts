/** Days of a calendar, as 2026-01-31; pure, so that no time zone of a browser moves them. */
const DAY_MS = 86_400_000;

function at(day: string): Date {
  return new Date(`${day}T00:00:00Z`);
}

/** The day of a moment, by the clock of this browser. */
export function isoDay(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The day itself when it is one, else another. */
export function dayOr(text: string | null, otherwise: string): string {
  const isDay = text !== null && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(at(text).getTime());
  return isDay && at(text).toISOString().startsWith(text) ? text : otherwise;
}

export function addDays(day: string, count: number): string {
  return new Date(at(day).getTime() + count * DAY_MS).toISOString().slice(0, 10);
}

/** The Monday of a day's week. */
export function mondayOf(day: string): string {
  return addDays(day, -((at(day).getUTCDay() + 6) % 7));
}

export function weekOf(day: string): string[] {
  const monday = mondayOf(day);
  return Array.from({ length: 7 }, (_, number) => addDays(monday, number));
}

const short = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const long = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

/** Such as Mon, 23 Nov. */
export function shortDay(day: string): string {
  return short.format(at(day));
}

/** Such as Monday 23 November 2026. */
export function longDay(day: string): string {
  return long.format(at(day));
}
