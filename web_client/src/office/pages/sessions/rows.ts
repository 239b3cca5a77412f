/** The rows of an attendance sheet, and what its keys mean. */
import type { Shapes } from "../../rest";

export type Record_ = Shapes["Attendance"];
export type Status = Record_["status"];
export type Member = Shapes["Membership"];

export interface Row {
  person: { id: string; name: string };
  record: Record_ | null;
  expected: boolean;
}

export const STATUSES: readonly Status[] = ["present", "late", "absent", "excused"];
export type Shown = Status | "all" | "missing";

/** Everybody who is expected or has a record, by name. Staff are not expected; who has a record stands there all the same. */
export function rowsOf(members: readonly Member[], records: readonly Record_[]): Row[] {
  const rows = new Map<string, Row>();
  for (const { person, role } of members) {
    if (role === "student") rows.set(person.id, { person, record: null, expected: true });
  }
  for (const record of records) {
    rows.set(record.person.id, { person: record.person, record, expected: rows.has(record.person.id) });
  }
  return [...rows.values()].sort(
    (one, other) => one.person.name.localeCompare(other.person.name) || one.person.id.localeCompare(other.person.id),
  );
}

/** How many rows say what; `missing` have no record. */
export function counted(rows: readonly Row[]): Record<Status | "missing", number> {
  const counts = { present: 0, late: 0, absent: 0, excused: 0, missing: 0 };
  for (const { record } of rows) counts[record?.status ?? "missing"] += 1;
  return counts;
}

export function shownRows(rows: readonly Row[], shown: Shown, text: string): Row[] {
  const wanted = text.trim().toLocaleLowerCase();
  return rows.filter(
    ({ person, record }) =>
      (shown === "all" || (record?.status ?? "missing") === shown) && person.name.toLocaleLowerCase().includes(wanted),
  );
}

export type Asked = { is: "go"; to: number } | { is: "set"; status: Status } | { is: "history" } | null;

/** What a key means on a row: `at` of `count` rows. */
export function meaningOf(key: string, at: number, count: number): Asked {
  const clamp = (to: number): Asked => ({ is: "go", to: Math.max(0, Math.min(count - 1, to)) });
  if (key === "ArrowDown") return clamp(at + 1);
  if (key === "ArrowUp") return clamp(at - 1);
  if (key === "Home") return clamp(0);
  if (key === "End") return clamp(count - 1);
  const letter = key.toLowerCase();
  if (letter === "h") return { is: "history" };
  const status = STATUSES.find((one) => one.startsWith(letter) && letter.length === 1);
  return status ? { is: "set", status } : null;
}
