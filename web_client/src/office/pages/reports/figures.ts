/** Counts of records, gathered by week, group and person. */
import { mondayOf } from "../sessions/calendar";

export const STATUSES = ["present", "late", "absent", "excused"] as const;
export type Counts = Record<(typeof STATUSES)[number], number>;

/** One line of a chart and of its table. */
export interface Line {
  key: string;
  label: string;
  counts: Counts;
}

type Row = Record<string, unknown>;

function numberOf(row: Row, name: string): number {
  const value = row[name];
  return typeof value === "number" ? value : 0;
}

function textOf(row: Row, name: string): string {
  const value = row[name];
  return typeof value === "string" ? value : "";
}

export function countsOf(row: Row): Counts {
  return { present: numberOf(row, "present"), late: numberOf(row, "late"), absent: numberOf(row, "absent"), excused: numberOf(row, "excused") };
}

export function totalOf(counts: Counts): number {
  return STATUSES.reduce((sum, status) => sum + counts[status], 0);
}

function gathered(rows: readonly Row[], place: (row: Row) => { key: string; label: string }): Line[] {
  const lines = new Map<string, Line>();
  for (const row of rows) {
    const { key, label } = place(row);
    const line = lines.get(key) ?? { key, label, counts: { present: 0, late: 0, absent: 0, excused: 0 } };
    const more = countsOf(row);
    for (const status of STATUSES) line.counts[status] += more[status];
    lines.set(key, line);
  }
  return [...lines.values()].filter(({ counts }) => totalOf(counts) > 0);
}

/** Rows of the layout `sessions` by week, the earliest first. */
export function byWeek(rows: readonly Row[], label: (monday: string) => string): Line[] {
  const lines = gathered(rows, (row) => {
    const monday = mondayOf(textOf(row, "day").slice(0, 10));
    return { key: monday, label: label(monday) };
  });
  return lines.sort((one, other) => one.key.localeCompare(other.key));
}

/** Rows of the layout `sessions` by group, by name; sessions that are for no group come last. */
export function byGroup(rows: readonly Row[], none: string): Line[] {
  const lines = gathered(rows, (row) => ({ key: textOf(row, "group_id"), label: textOf(row, "group_name") || none }));
  return lines.sort((one, other) => Number(one.key === "") - Number(other.key === "") || one.label.localeCompare(other.label));
}

/** How often somebody was not there, or not in time. */
export function missed({ absent, late }: Counts): number {
  return absent + late;
}

/** Rows of the layout `people`, those who missed most first. */
export function byPerson(rows: readonly Row[]): Line[] {
  return rows
    .map((row) => ({ key: textOf(row, "person_id"), label: textOf(row, "person_name"), counts: countsOf(row) }))
    .filter(({ counts }) => totalOf(counts) > 0)
    .sort((one, other) => missed(other.counts) - missed(one.counts) || other.counts.absent - one.counts.absent || one.label.localeCompare(other.label));
}

export function summed(lines: readonly Line[]): Counts {
  const sum: Counts = { present: 0, late: 0, absent: 0, excused: 0 };
  for (const { counts } of lines) for (const status of STATUSES) sum[status] += counts[status];
  return sum;
}
