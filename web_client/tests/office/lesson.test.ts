import { expect, test } from "vitest";
import { bodyOf, empty, filledOf, problemsOf, weekdayOf } from "../../src/office/pages/sessions/lesson";

const TODAY = "2026-03-02";
const LESSON = {
  id: "1", source: "form", uid: "u", title: "Maths", group_id: "g", room_id: null, late_after_s: 150, next_at: null,
  planned_until: null, version: 3,
  times: {
    day: "2026-03-03", starts_at: "08:00:00", ends_at: "08:45:00",
    repeat: { every_weeks: 2, days: ["tu" as const, "th" as const], until: "2026-03-31", except_on: ["2026-03-12"] },
  },
};

test("a lesson that is opened and saved without a change is sent as it was", () => {
  const filled = filledOf(LESSON);
  if (filled === null) throw new Error("it was filled in by hand");
  expect(problemsOf(filled, "")).toEqual({});
  expect(bodyOf(filled)).toEqual({
    title: "Maths", group_id: "g", room_id: null, day: "2026-03-03", starts_at: "08:00", ends_at: "08:45",
    late_after_s: 150, repeat: LESSON.times.repeat,
  });
});

test("a lesson of an imported timetable has no fields", () => {
  expect(filledOf({ ...LESSON, source: "timetable", times: null })).toBeNull();
});

test("a new lesson is held once, on the day that is looked at, and says what is missing", () => {
  const filled = empty("2026-03-04", "g");
  expect(Object.keys(problemsOf(filled, TODAY))).toEqual(["title"]);
  expect(bodyOf({ ...filled, title: " Maths " })).toMatchObject({ title: "Maths", repeat: null, late_after_s: null });
  expect(filled.days).toEqual(["we"]);
});

test("what is wrong stands at its field", () => {
  const filled = { ...empty("2026-03-04", ""), title: "Maths" };
  expect(Object.keys(problemsOf({ ...filled, day: "2026-03-01" }, TODAY))).toEqual(["day"]);
  expect(problemsOf({ ...filled, day: "2026-03-01", repeats: true }, TODAY)).toEqual({});
  expect(Object.keys(problemsOf({ ...filled, starts: "", ends: "8" }, TODAY))).toEqual(["starts", "ends"]);
  for (const late of ["-1", "1441", "soon"]) expect(Object.keys(problemsOf({ ...filled, late }, TODAY)), late).toEqual(["late"]);
  const repeating = { ...filled, repeats: true };
  for (const every of ["0", "53", "1.5", ""]) expect(Object.keys(problemsOf({ ...repeating, every }, TODAY)), every).toEqual(["every"]);
  expect(Object.keys(problemsOf({ ...repeating, days: [], until: "2026-03-03" }, TODAY))).toEqual(["days", "until"]);
});

test("the weekday of a day does not hang on where the browser is", () => {
  expect(weekdayOf("2026-03-01")).toBe("su");
  expect(weekdayOf("2026-03-02")).toBe("mo");
  expect(weekdayOf("")).toBeNull();
});
