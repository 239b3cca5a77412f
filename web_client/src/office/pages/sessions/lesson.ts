/** What is filled in for a lesson: from what the server has, to what it takes, and what is wrong with it. */
import { words } from "words/lessons";
import type { Shapes } from "../../rest";

export type Weekday = keyof typeof words.weekdayNames;
type Body = Shapes["LessonForm"];

export const WEEKDAYS: readonly Weekday[] = ["mo", "tu", "we", "th", "fr", "sa", "su"];

/** As it stands in the fields. */
export interface Filled {
  title: string;
  group: string;
  room: string;
  day: string;
  starts: string;
  ends: string;
  late: string;
  repeats: boolean;
  every: string;
  days: readonly Weekday[];
  until: string;
  except: readonly string[];
}

export type Problems = Partial<Record<keyof Filled, string>>;

/** The weekday of a day such as 2026-01-31. */
export function weekdayOf(day: string): Weekday | null {
  const number = new Date(`${day}T00:00:00Z`).getUTCDay();
  return Number.isNaN(number) ? null : (WEEKDAYS[(number + 6) % 7] ?? null);
}

export function empty(day: string, group: string): Filled {
  const weekday = weekdayOf(day);
  return {
    title: "", group, room: "", day, starts: "08:00", ends: "08:45", late: "",
    repeats: false, every: "1", days: weekday === null ? [] : [weekday], until: "", except: [],
  };
}

/** The fields of a lesson that was filled in by hand; null for another. */
export function filledOf(lesson: Shapes["OneLesson"]): Filled | null {
  const { times } = lesson;
  if (times === null) return null;
  const { repeat } = times;
  const weekday = weekdayOf(times.day);
  return {
    title: lesson.title,
    group: lesson.group_id ?? "",
    room: lesson.room_id ?? "",
    day: times.day,
    starts: times.starts_at.slice(0, 5),
    ends: times.ends_at.slice(0, 5),
    late: lesson.late_after_s === null ? "" : String(lesson.late_after_s / 60),
    repeats: repeat !== null,
    every: String(repeat?.every_weeks ?? 1),
    days: repeat?.days.length ? repeat.days : weekday === null ? [] : [weekday],
    until: repeat?.until ?? "",
    except: repeat?.except_on ?? [],
  };
}

/** What the server takes, of fields without problems. */
export function bodyOf(filled: Filled): Body {
  return {
    title: filled.title.trim(),
    group_id: filled.group || null,
    room_id: filled.room || null,
    day: filled.day,
    starts_at: filled.starts,
    ends_at: filled.ends,
    late_after_s: filled.late.trim() === "" ? null : Math.round(Number(filled.late) * 60),
    repeat: filled.repeats
      ? {
          every_weeks: Number(filled.every),
          days: WEEKDAYS.filter((one) => filled.days.includes(one)),
          until: filled.until || null,
          except_on: [...filled.except].sort(),
        }
      : null,
  };
}

/** What is wrong, by field. `today` is a day such as 2026-01-31; empty for a lesson that may have begun already. */
export function problemsOf(filled: Filled, today: string): Problems {
  const found: Problems = {};
  if (filled.title.trim() === "") found.title = words.titleMissing;
  if (filled.day === "") found.day = words.dayMissing;
  else if (!filled.repeats && filled.day < today) found.day = words.dayPast;
  for (const name of ["starts", "ends"] as const) if (!/^\d\d:\d\d$/.test(filled[name])) found[name] = words.timeMissing;
  const late = Number(filled.late);
  if (filled.late.trim() !== "" && !(late >= 0 && late <= 1440)) found.late = words.lateWrong;
  if (filled.repeats) {
    const every = Number(filled.every);
    if (!Number.isInteger(every) || every < 1 || every > 52) found.every = words.everyWrong;
    if (filled.days.length === 0) found.days = words.weekdayMissing;
    if (filled.until !== "" && filled.until < filled.day) found.until = words.untilEarly;
  }
  return found;
}
