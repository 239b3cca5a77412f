import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Glance } from "../../src/office/pages/dashboard/glance";

const made: string[] = [];
const kept = new Set<string>();

beforeEach(() => {
  vi.useFakeTimers();
  made.length = 0;
  kept.clear();
  vi.spyOn(URL, "createObjectURL").mockImplementation(() => {
    const address = `blob:${made.length}`;
    made.push(address);
    kept.add(address);
    return address;
  });
  vi.spyOn(URL, "revokeObjectURL").mockImplementation((address) => void kept.delete(address));
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function answering(...statuses: number[]) {
  let count = 0;
  const ask = vi.fn(() => Promise.resolve(new Response("jpeg", { status: statuses[Math.min(count++, statuses.length - 1)] ?? 200 })));
  return { glance: new Glance("door/1", ask), ask };
}

test("one picture after the other is shown, and only the last is kept", async () => {
  const { glance, ask } = answering(200);
  glance.start();
  glance.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(glance.state.value).toBe("picture");
  expect(ask).toHaveBeenCalledTimes(1);
  expect(String((ask.mock.calls as unknown[][])[0]?.[0])).toBe("/api/v1/cameras/door%2F1/frame");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(ask.mock.calls.length).toBeGreaterThan(3);
  expect(kept.size).toBe(1);
  glance.end();
  expect(kept.size).toBe(0);
});

test("nothing is asked for while nobody looks", async () => {
  const { glance, ask } = answering(200);
  glance.start();
  await vi.advanceTimersByTimeAsync(0);
  glance.pause();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ask).toHaveBeenCalledTimes(1);
  glance.start();
  expect(ask).toHaveBeenCalledTimes(2);
  glance.end();
});

test("a camera without a picture is asked more seldom, and one that nobody may look through never again", async () => {
  const away = answering(503);
  away.glance.start();
  await vi.advanceTimersByTimeAsync(9000);
  expect(away.glance.state.value).toBe("none");
  expect(away.ask).toHaveBeenCalledTimes(1);
  away.glance.end();
  const forbidden = answering(403);
  forbidden.glance.start();
  await vi.advanceTimersByTimeAsync(60_000);
  forbidden.glance.pause();
  forbidden.glance.start();
  expect(forbidden.glance.state.value).toBe("forbidden");
  expect(forbidden.ask).toHaveBeenCalledTimes(1);
});
