/** The one place that decides which language is spoken. */
import { en, type Text } from "./en";

export const text: Text = en;
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
