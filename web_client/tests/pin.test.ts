import { expect, test } from "vitest";
import { greetingOf, type PunchMade } from "../src/camera/pin";

const NOW = new Date(2026, 2, 2, 8, 2);
const MADE: PunchMade = {
  person: { id: "a", name: "Ada" }, session_id: "s", attendance_id: "r", status: "present", first: true, direction: null,
};

test.each([
  ["marked now", {}, "Present · 08:02"],
  ["marked late", { status: "late" as const }, "Late · 08:02"],
  ["marked before", { first: false }, "Present · marked already"],
  ["coming", { direction: "in" as const }, "Welcome · 08:02"],
  ["going", { first: false, direction: "out" as const }, "Goodbye · 08:02"],
])("a kiosk says to somebody who is %s what it is", (_, change, said) => {
  expect(greetingOf({ ...MADE, ...change }, NOW)).toMatchObject({ name: "Ada", personId: "a", said });
});

test("a greeting is never taken for one of an event", () => {
  const keys = [1, 2].map(() => greetingOf(MADE, NOW).key);
  expect(keys.every((key) => key < 0)).toBe(true);
  expect(new Set(keys).size).toBe(2);
});
