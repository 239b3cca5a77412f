import { expect, test } from "vitest";
import { FigureKeeper } from "../src/camera/figures";
import { Confirmations, promptFor } from "../src/camera/kiosk";
import { labelOf } from "../src/camera/labels";
import { type Mark, withMark } from "../src/camera/marks";
import { placeLabel } from "../src/camera/overlay";
import { looksAtUser } from "../src/capture/camera";
import { videoMayWork } from "../src/link/surroundings";
import { socketUrl } from "../src/link/websocket";
import { bytes, timeOfDay } from "../src/text";
import type { AttendanceNotice, Face, Faces } from "../src/wire";

const ADA = { id: "a", name: "Ada" };
const AT = new Date(2026, 0, 5, 8, 2).toISOString();

function face(state: Face["state"], more: Partial<Face> = {}, width = 100): Face {
  return { box: [0, 0, width, width], state, track: 1, person: null, reason: null, ...more };
}

function notice(id: string, more: Partial<AttendanceNotice> = {}): AttendanceNotice {
  return {
    type: "attendance", event_id: 1, attendance_id: "", session_id: "", person: { id, name: id }, status: "present",
    method: "face", first_seen: AT, camera: "door", ...more,
  };
}

const marks = withMark([], notice("a", { person: ADA }));
const seen = (...faces: Face[]): Faces => ({
  type: "faces", frame: 1, captured_at: AT, width_px: 640, height_px: 480, faces, received: 1, dropped: 0,
});

test.each([
  [face("known", { person: ADA }), "Ada", "present, 08:02", "good"],
  [face("known", { person: { id: "b", name: "Bob" } }), "Bob", "recognised", "known"],
  [face("pending"), "one moment", "", "wait"],
  [face("review"), "not sure", "", "wait"],
  [face("unknown"), "unknown", "", "stranger"],
  [face("unusable", { reason: "too_small" }), "come closer", "", "hint"],
  [face("unusable", { reason: "blurred" }), "hold still", "", "hint"],
  [face("unusable", { reason: "turned" }), "look here", "", "hint"],
  [face("unusable", { reason: "of a later version" }), "not clear", "", "hint"],
  [face("of a later version" as "pending"), "one moment", "", "wait"],
])("a face is labelled by its state (%#)", (which, title, detail, tone) => {
  expect(labelOf(which, marks)).toEqual({ title, detail, tone });
});

test("whoever is late is said to be late", () => {
  const late = withMark([], notice("a", { person: ADA, status: "late" }));
  expect(labelOf(face("known", { person: ADA }), late)).toMatchObject({ tone: "late", detail: "late, 08:02" });
});

test("the newest mark is first, nobody stands twice, and a school does not fill the memory", () => {
  let list: Mark[] = [];
  for (let person = 0; person < 300; person += 1) list = withMark(list, notice(String(person), { event_id: person }));
  list = withMark(list, notice("299", { event_id: 999, status: "late" }));
  expect(list.length).toBe(200);
  expect(list[0]).toMatchObject({ personId: "299", status: "late" });
  expect(list[1]?.personId).toBe("298");
});

test.each([
  [seen(), "Please look at the camera"],
  [seen(face("unknown")), "We do not know you yet"],
  [seen(face("known", { person: ADA })), "Hello, Ada"],
  [seen(face("unknown"), face("known", { person: ADA }, 90)), "One person at a time, please"],
  [seen(face("unknown", {}, 20), face("known", { person: ADA })), "Hello, Ada"],
  [seen(face("unusable", { reason: "too_small" })), "Please come closer"],
  [null, "Please look at the camera"],
])("a kiosk says what to do (%#)", (faces, title) => {
  expect(promptFor(faces, marks).title).toBe(title);
});

test("a kiosk never says that somebody is on the list who was not told to be", () => {
  expect(promptFor(seen(face("known", { person: { id: "b", name: "Bob" } })), marks).detail).toBe("");
  expect(promptFor(seen(face("known", { person: ADA })), marks).detail).toBe("Present since 08:02");
});

test("confirmations come one after the other, each for as long as it takes to read", () => {
  const confirmations = new Confirmations();
  const [first, second] = [marks[0] as Mark, { ...(marks[0] as Mark), key: 2, personId: "b", name: "Bob" }];
  confirmations.add(first);
  confirmations.add(second);
  expect(confirmations.at(0)).toBe(first);
  expect(confirmations.at(3499)).toBe(first);
  expect(confirmations.at(3500)).toBe(second);
  expect(confirmations.at(7000)).toBeNull();
});

test("whoever typed a PIN is greeted once, though the event of it comes too", () => {
  const confirmations = new Confirmations();
  const typed = { ...(marks[0] as Mark), key: -1, said: "Welcome · 08:02" };
  confirmations.add(typed);
  confirmations.add(marks[0] as Mark);
  expect(confirmations.at(0)).toBe(typed);
  confirmations.add(marks[0] as Mark);
  expect(confirmations.at(3500)).toBeNull();
  confirmations.add(marks[0] as Mark);
  expect(confirmations.at(3600)).toBe(marks[0]);
});

test("of a crowd only the last confirmations wait", () => {
  const confirmations = new Confirmations();
  for (let key = 0; key < 100; key += 1) confirmations.add({ ...(marks[0] as Mark), key, personId: `p${key}` });
  expect(confirmations.at(0)?.key).toBe(92);
});

const INSIDE = { width: 400, height: 300 };
const LABEL = { width: 100, height: 20 };

test("a label stands below its box, or above it at the lower edge", () => {
  expect(placeLabel({ x: 100, y: 100, width: 50, height: 50 }, LABEL, INSIDE, [])).toMatchObject({ x: 75, y: 156 });
  expect(placeLabel({ x: 100, y: 240, width: 50, height: 55 }, LABEL, INSIDE, [])).toMatchObject({ x: 75, y: 214 });
});

test("a label stays inside the picture, whatever the box", () => {
  for (const [x, y] of [[-500, -500], [390, 290], [0, 0], [1000, 1000]] as const) {
    const place = placeLabel({ x, y, width: 50, height: 300 }, LABEL, INSIDE, []);
    expect(place?.x).toBeGreaterThanOrEqual(0);
    expect((place?.x ?? 999) + LABEL.width).toBeLessThanOrEqual(INSIDE.width);
    expect(place?.y).toBeGreaterThanOrEqual(0);
    expect((place?.y ?? 999) + LABEL.height).toBeLessThanOrEqual(INSIDE.height);
  }
});

test("a label never covers one that matters more", () => {
  const box = { x: 100, y: 100, width: 50, height: 50 };
  const below = { x: 0, y: 150, width: 400, height: 40 };
  expect(placeLabel(box, LABEL, INSIDE, [below])).toMatchObject({ y: 74 });
  expect(placeLabel(box, LABEL, INSIDE, [below, { x: 0, y: 60, width: 400, height: 40 }])).toBeNull();
});

test("counts go on over connections and carriers", () => {
  const keeper = new FigureKeeper();
  const pump = { sent: 10, skipped: 2, bytes: 100_000, failed: 0 };
  keeper.connected();
  keeper.dropped(3);
  expect(keeper.at(1000, pump, null)).toMatchObject({ sent: 10, dropped: 5, bytes: 100_000, kBps: 0 });
  keeper.connected();
  keeper.dropped(1);
  expect(keeper.at(3000, pump, { frames: 20, bytes: 50_000, width: 640, height: 480 })).toEqual({
    sent: 30, dropped: 6, bytes: 150_000, kBps: 25, fps: 10,
  });
  keeper.connected();
  expect(keeper.at(4000, pump, { frames: 5, bytes: 1_000, width: 640, height: 480 })).toMatchObject({ sent: 35, bytes: 151_000 });
});

test.each([
  ["user", "", false, true],
  ["environment", "Front", false, false],
  [undefined, "Integrated Webcam", false, true],
  [undefined, "camera2 0, facing back", true, false],
  [undefined, "Some camera", true, false],
  ["", "FaceTime HD", false, true],
])("mode %s of %s looks at its user, or not", (mode, label, touch, expected) => {
  expect(looksAtUser(mode, label, touch)).toBe(expected);
});

test.each([
  ["10.0.0.7", true],
  ["school.example", true],
  ["127.0.0.1", false],
  ["localhost", false],
  ["[::1]", false],
  ["ab12.ngrok-free.app", false],
  ["AB.trycloudflare.com", false],
  ["notngrok.io", true],
])("video is tried at %s: %s", (host, expected) => {
  expect(videoMayWork(host)).toBe(expected);
});

test("the socket is where the page is, and as safe", () => {
  expect(socketUrl({ protocol: "https:", host: "x.example" }, "room-5")).toBe("wss://x.example/ws/v1/camera/room-5");
  expect(socketUrl({ protocol: "http:", host: "[::1]:8000" }, "a/b")).toBe("ws://[::1]:8000/ws/v1/camera/a%2Fb");
});

test("sizes and times are written for people", () => {
  expect([bytes(999), bytes(840_000), bytes(12_345_678), bytes(2.5e9)]).toEqual(["1 kB", "840 kB", "12.3 MB", "2.5 GB"]);
  expect(timeOfDay(AT)).toBe("08:02");
  expect([timeOfDay(null), timeOfDay("nonsense")]).toEqual(["", ""]);
});
