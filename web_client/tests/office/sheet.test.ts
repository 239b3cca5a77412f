import { expect, test } from "vitest";
import { counted, meaningOf, rowsOf, shownRows, type Member, type Record_ } from "../../src/office/pages/sessions/rows";

function member(name: string, role: Member["role"] = "student"): Member {
  return {
    id: `m-${name}`, group: { id: "g", name: "7a" }, person: { id: name, name }, role, starts_on: null, ends_on: null, external_id: null, version: 1,
  };
}

function record(name: string, status: Record_["status"]): Record_ {
  return {
    id: `r-${name}`, session_id: "s", person: { id: name, name }, status, method: "face", first_seen: null, last_seen: null, camera: null, note: null, version: 1,
  };
}

const ROWS = rowsOf([member("Grace"), member("Ada"), member("Miss Teach", "staff")], [record("Ada", "late"), record("Guest", "present")]);

test("expected people and those with a record stand in one list by name, staff only with a record", () => {
  expect(ROWS.map(({ person, expected }) => [person.name, expected])).toEqual([["Ada", true], ["Grace", true], ["Guest", false]]);
  expect(counted(ROWS)).toEqual({ present: 1, late: 1, absent: 0, excused: 0, missing: 1 });
});

test("rows are shown by what they say and by part of the name", () => {
  expect(shownRows(ROWS, "missing", "").map(({ person }) => person.name)).toEqual(["Grace"]);
  expect(shownRows(ROWS, "all", " G").map(({ person }) => person.name)).toEqual(["Grace", "Guest"]);
  expect(shownRows(ROWS, "excused", "")).toEqual([]);
});

test("letters set, arrows go and stop at the ends, and other keys are the browser's", () => {
  expect(["p", "L", "a", "E"].map((key) => meaningOf(key, 0, 3))).toEqual(
    ["present", "late", "absent", "excused"].map((status) => ({ is: "set", status })),
  );
  expect(meaningOf("ArrowUp", 0, 3)).toEqual({ is: "go", to: 0 });
  expect(meaningOf("ArrowDown", 2, 3)).toEqual({ is: "go", to: 2 });
  expect(meaningOf("End", 0, 3)).toEqual({ is: "go", to: 2 });
  expect(meaningOf("h", 0, 3)).toEqual({ is: "history" });
  for (const key of ["Tab", "Enter", "x", "present", "Escape"]) expect(meaningOf(key, 0, 3)).toBeNull();
});
