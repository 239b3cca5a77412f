import { expect, test } from "vitest";
import { actorName } from "../../src/office/actors";
import { ageOf, dropsOf, Rates, type Camera } from "../../src/office/pages/cameras/rates";
import { likenesses, type Outcome } from "../../src/office/pages/people/enrolling";
import { byGroup, byPerson, byWeek, summed } from "../../src/office/pages/reports/figures";
import { addDays, dayOr, mondayOf, weekOf } from "../../src/office/pages/sessions/calendar";

const SESSIONS = [
  { day: "2026-03-09", group_id: "b", group_name: "7b", present: 4, late: 0, absent: 1, excused: 0 },
  { day: "2026-03-02", group_id: "a", group_name: "7a", present: 3, late: 1, absent: 0, excused: 0 },
  { day: "2026-03-08", group_id: "", group_name: "", present: 2, late: 0, absent: 0, excused: 1 },
  { day: "2026-03-20", group_id: "a", group_name: "7a", present: 0, late: 0, absent: 0, excused: 0 },
];

test("sessions are gathered by week, from Monday to Sunday, and weeks without a record are left out", () => {
  const weeks = byWeek(SESSIONS, (monday) => monday);
  expect(weeks.map(({ key, counts }) => [key, counts.present])).toEqual([["2026-03-02", 5], ["2026-03-09", 4]]);
  expect(summed(weeks)).toEqual({ present: 9, late: 1, absent: 1, excused: 1 });
});

test("groups stand by name, what is for no group last", () => {
  expect(byGroup(SESSIONS, "none").map(({ label }) => label)).toEqual(["7a", "7b", "none"]);
});

test("people who missed most stand first", () => {
  const people = [
    { person_id: "1", person_name: "Ada", present: 9, late: 2, absent: 0, excused: 0 },
    { person_id: "2", person_name: "Grace", present: 9, late: 0, absent: 2, excused: 0 },
    { person_id: "3", person_name: "Alan", present: 9, late: 0, absent: 0, excused: 5 },
    { person_id: "4", person_name: "Nobody", present: 0, late: 0, absent: 0, excused: 0 },
  ];
  expect(byPerson(people).map(({ label }) => label)).toEqual(["Grace", "Ada", "Alan"]);
});

test("weeks begin on Monday, also across years and clock changes", () => {
  expect(mondayOf("2026-03-29")).toBe("2026-03-23");
  expect(weekOf("2027-01-01")).toEqual(["2026-12-28", "2026-12-29", "2026-12-30", "2026-12-31", "2027-01-01", "2027-01-02", "2027-01-03"]);
  expect(addDays("2026-10-25", 1)).toBe("2026-10-26");
});

test("what is no day in an address is another one", () => {
  for (const text of [null, "", "2026-02-30", "today", "2026-1-1"]) expect(dayOr(text, "2026-01-01")).toBe("2026-01-01");
  expect(dayOr("2028-02-29", "2026-01-01")).toBe("2028-02-29");
});

function camera(id: string, processed: number | null, more: Partial<Camera> = {}): Camera {
  const frames = processed === null ? null : { received: 2 * processed, processed, dropped: processed };
  return {
    id, name: "", connected: processed !== null, created_at: "", frames, address: null, transport: "auto", has_credentials: false, enabled: true, pull: null, ...more,
  };
}

test("a rate needs two readings, and begins anew when the counts do", () => {
  const rates = new Rates();
  rates.feed([camera("door", 10)], 0);
  expect(rates.of("door")).toBeNull();
  rates.feed([camera("door", 40)], 5000);
  expect(rates.of("door")).toBe(6);
  rates.feed([camera("door", 3)], 10_000);
  expect(rates.of("door")).toBeNull();
  rates.feed([camera("door", 8)], 11_000);
  expect(rates.of("door")).toBe(5);
  rates.feed([camera("door", null)], 12_000);
  expect(rates.of("door")).toBeNull();
});

test("drops are a part of what came, and unknown before anything came", () => {
  expect(dropsOf(camera("door", 10))).toEqual({ share: 0.5, count: 10 });
  expect(dropsOf(camera("door", 0))).toBeNull();
  expect(ageOf(camera("door", null))).toBeNull();
  expect(ageOf(camera("door", 1, { looked_at_age_s: 3 }))).toBe(3);
});

test("actors are named as far as their names are known", () => {
  const names = new Map([["0f3c0f3c-1", "Grace"]]);
  expect(actorName("user:0f3c0f3c-1", names)).toBe("Grace");
  expect(actorName("user:12345678-9", names)).toBe("user 12345678");
  expect(actorName("owner-token", names)).toBe("the owner's token");
  expect(actorName("something-new", names)).toBe("something-new");
});

test("whom several pictures look like is named once, the nearest first", () => {
  const outcome = (id: string, distance: number, same: boolean): Outcome => ({
    name: "x", failure: null, enrolled: { looks_like: { person: { id, name: id }, distance, same } } as NonNullable<Outcome["enrolled"]>,
  });
  const found = likenesses([outcome("Ada", 0.5, false), outcome("Grace", 0.45, false), outcome("Ada", 0.4, true), { name: "y", failure: null, enrolled: null }]);
  expect(found.map(({ person, distance, same }) => [person.name, distance, same])).toEqual([["Ada", 0.4, true], ["Grace", 0.45, false]]);
});
