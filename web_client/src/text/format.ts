/** Times, numbers and sizes for people. */
export const language = "en";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });

/** A time of day here, such as 08:02. Empty for what is no time. */
export function timeOfDay(iso: string | null): string {
  const date = new Date(iso ?? "");
  return Number.isNaN(date.getTime()) ? "" : clock.format(date);
}

export function count(value: number): string {
  return whole.format(value);
}

export function decimal(value: number): string {
  return tenth.format(value);
}

/** So many bytes for people: 840 kB, 12.3 MB. */
export function bytes(value: number): string {
  if (value < 1e6) return `${whole.format(value / 1e3)} kB`;
  return value < 1e9 ? `${tenth.format(value / 1e6)} MB` : `${tenth.format(value / 1e9)} GB`;
}

const dated = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

/** A day such as 5 Nov 2026. Empty for what is no time. */
export function day(iso: string | null | undefined): string {
  const date = new Date(iso ?? "");
  return Number.isNaN(date.getTime()) ? "" : dated.format(date);
}

/** A day and time of day. Empty for what is no time. */
export function moment(iso: string | null | undefined): string {
  const date = new Date(iso ?? "");
  return Number.isNaN(date.getTime()) ? "" : `${dated.format(date)}, ${clock.format(date)}`;
}

/** Such as Monday 23 November. */
export function longDay(date: Date): string {
  return weekday.format(date);
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30]];

/** How long ago, such as 5 minutes ago; the day when that is longer than a month. Empty for what is no time. */
export function ago(iso: string | null | undefined, now = Date.now()): string {
  const then = new Date(iso ?? "").getTime();
  if (Number.isNaN(then)) return "";
  let past = Math.max(0, (now - then) / 1000);
  for (const [unit, next] of STEPS) {
    if (past < next) return relative.format(-Math.floor(past), unit);
    past /= next;
  }
  return day(iso);
}
