/** What the dashboard knows of the sessions that run, and how an event changes it. No component, no request. */
import type { Shapes } from "../../rest";
import type { Event } from "../../live";

export type Session = Shapes["ClassSession"];
export type Mark = Shapes["Attendance"];

export interface RunningSession {
  session: Session;
  /** People who should be there, by id; null where nobody is expected by name, as at the open check-in. */
  expected: ReadonlySet<string> | null;
  /** By person. */
  records: ReadonlyMap<string, Mark>;
}

export type Board = readonly RunningSession[];

export interface Tally {
  here: number;
  late: number;
  missing: number;
  extra: number;
  expected: number | null;
}

function isHere(record: Mark): boolean {
  return record.status === "present" || record.status === "late";
}

export function tally({ expected, records }: RunningSession): Tally {
  const those = [...records.values()].filter(isHere);
  const asExpected = expected === null ? those : those.filter((record) => expected.has(record.person.id));
  const excused = [...records.values()].filter(
    (record) => record.status === "excused" && (expected?.has(record.person.id) ?? false),
  ).length;
  return {
    here: asExpected.length,
    late: those.filter((record) => record.status === "late").length,
    missing: expected === null ? 0 : Math.max(0, expected.size - asExpected.length - excused),
    extra: those.length - asExpected.length,
    expected: expected === null ? null : expected.size,
  };
}

/** Who came, the latest first. */
export function newest(records: Iterable<Mark>, most: number): Mark[] {
  return [...records]
    .filter(isHere)
    .sort((one, other) => (other.first_seen ?? "").localeCompare(one.first_seen ?? ""))
    .slice(0, most);
}

/** The board after somebody was marked; null when it is of a session that the board does not have. */
export function marked(board: Board, event: Event): Board | null {
  const { data } = event;
  const id = data["session_id"] as string;
  const at = board.findIndex(({ session }) => session.id === id);
  const running = board[at];
  if (!running) return null;
  const person = data["person"] as Mark["person"];
  const known = running.records.get(person.id);
  const firstSeen = (data["first_seen"] as string | null | undefined) ?? null;
  const record: Mark = {
    note: null,
    version: 1,
    ...known,
    id: data["attendance_id"] as string,
    session_id: id,
    person,
    status: data["status"] as Mark["status"],
    method: data["method"] as Mark["method"],
    first_seen: firstSeen ?? known?.first_seen ?? event.at,
    last_seen: firstSeen ?? known?.last_seen ?? null,
    camera: (data["camera"] as string | null | undefined) ?? null,
  };
  const records = new Map(running.records).set(person.id, record);
  return board.map((one, index) => (index === at ? { ...running, records } : one));
}
