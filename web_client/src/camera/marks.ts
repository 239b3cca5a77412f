/** Who was marked while this page was open. Kept in memory only: names have no place on a phone that lies about. */
import type { AttendanceNotice } from "../wire";

export interface Mark {
  key: number;
  personId: string;
  name: string;
  status: AttendanceNotice["status"];
  at: string | null;
}

const MARKS_MAX = 200;

/** The marks with a new one in front; the same person in the same session stands once. */
export function withMark(marks: readonly Mark[], notice: AttendanceNotice): Mark[] {
  const { person, status, first_seen, event_id } = notice;
  const mark: Mark = { key: event_id, personId: person.id, name: person.name, status, at: first_seen };
  return [mark, ...marks.filter((other) => other.personId !== person.id)].slice(0, MARKS_MAX);
}

export function markOf(marks: readonly Mark[], personId: string | undefined): Mark | undefined {
  return personId === undefined ? undefined : marks.find((mark) => mark.personId === personId);
}
