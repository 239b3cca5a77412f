import { expect, test } from "vitest";
import { marked, newest, tally, type Mark, type RunningSession, type Session } from "../../src/office/pages/dashboard/board";

const session = { id: "s1", kind: "scheduled", title: "Maths" } as Session;

function mark(id: string, status: Mark["status"], first_seen: string | null = null): Mark {
  return {
    id: `a-${id}`, session_id: "s1", person: { id, name: id }, status, method: "face",
    first_seen, last_seen: null, camera: null, note: null, version: 1,
  };
}

function running(expected: string[] | null, ...marks: Mark[]): RunningSession {
  return { session, expected: expected && new Set(expected), records: new Map(marks.map((one) => [one.person.id, one])) };
}

test("those expected are counted apart from those who came besides", () => {
  const lesson = running(["ada", "bob", "cleo", "dan"], mark("ada", "present"), mark("bob", "late"), mark("cleo", "excused"), mark("eve", "present"));
  expect(tally(lesson)).toEqual({ here: 2, late: 1, missing: 1, extra: 1, expected: 4 });
});

test("where nobody is expected nobody is missing", () => {
  expect(tally(running(null, mark("ada", "present")))).toEqual({ here: 1, late: 0, missing: 0, extra: 0, expected: null });
});

test("the latest come first, and who is absent did not come", () => {
  const marks = [mark("ada", "present", "2026-03-02T08:00"), mark("bob", "late", "2026-03-02T08:09"), mark("cleo", "absent")];
  expect(newest(marks, 5).map(({ person }) => person.id)).toEqual(["bob", "ada"]);
  expect(newest(marks, 1)).toHaveLength(1);
});

const event = (session_id: string, status: string) => ({
  id: 5, type: "attendance.marked", at: "2026-03-02T08:01:00Z",
  data: {
    attendance_id: "a-ada", session_id, person: { id: "ada", name: "Ada" }, status, method: "face",
    first_seen: "2026-03-02T08:00:59Z", camera: "door",
  },
});

test("an event puts somebody on the board, once however often it comes", () => {
  const board = [running(["ada"]), { ...running(null), session: { ...session, id: "s2" } }];
  const after = marked(board, event("s1", "present"));
  expect(after?.[0]?.records.get("ada")).toMatchObject({ status: "present", camera: "door", first_seen: "2026-03-02T08:00:59Z" });
  expect(after?.[1]).toBe(board[1]);
  expect(board[0]?.records.size, "what was there is not changed").toBe(0);
  const again = after && marked(after, event("s1", "present"));
  expect(again?.[0] && tally(again[0]).here).toBe(1);
});

test("an event of a session that is not on the board is left to a reading", () => {
  expect(marked([running(null)], event("other", "present"))).toBeNull();
});
