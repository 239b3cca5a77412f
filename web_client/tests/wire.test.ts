import { expect, test } from "vitest";
import { parseMessage } from "../src/wire";

const WELCOME = {
  type: "welcome", protocol: 1, camera: "door", pace_fps: 5, width_px: 640, height_px: 480, quality: 85,
  formats: ["image/jpeg"], max_bytes: 1048576, server_time: "2026-01-01T00:00:00Z",
};
const FACE = { box: [1, 2, 3, 4], state: "known", track: 1, person: { id: "x", name: "Ada" }, reason: null };
const FACES = { type: "faces", frame: 7, captured_at: "", width_px: 640, height_px: 480, faces: [FACE], received: 7, dropped: 0 };

test.each([
  WELCOME,
  { type: "pace", pace_fps: 2.5 },
  FACES,
  { ...FACES, faces: [{ ...FACE, person: null, state: "of a later version" }] },
  { type: "attendance", event_id: 1, person: { id: "x", name: "Ada" }, status: "present", first_seen: null },
  { type: "error", code: "bad", detail: "" },
  { ...WELCOME, of_a_later_version: true },
])("a message of the server is read (%#)", (message) => {
  expect(parseMessage(JSON.stringify(message))).toEqual(message);
});

test.each([
  "", "{", "null", "[]", "7", '"welcome"', "{}", '{"type": 7}', '{"type": "of a later version"}', '{"type": "toString"}',
  '{"type": "__proto__"}',
  JSON.stringify({ type: "pace", pace_fps: 0 }),
  JSON.stringify({ type: "pace", pace_fps: "5" }),
  JSON.stringify({ ...WELCOME, quality: null }),
  JSON.stringify({ ...FACES, faces: [{ ...FACE, box: [1, 2, 3] }] }),
  JSON.stringify({ ...FACES, faces: [{ ...FACE, box: [1, 2, 3, null] }] }),
  JSON.stringify({ ...FACES, faces: [{ ...FACE, person: { id: "x", name: 7 } }] }),
  JSON.stringify({ ...FACES, faces: "many" }),
  JSON.stringify({ ...FACES, faces: Array.from({ length: 201 }, () => FACE) }),
  JSON.stringify({ type: "attendance", person: null, status: "present" }),
])("what cannot be used is passed over: %s", (data) => {
  expect(parseMessage(data)).toBeNull();
});

test.each([new ArrayBuffer(4), null, undefined, 7])("what is no text is passed over (%s)", (data) => {
  expect(parseMessage(data)).toBeNull();
});
