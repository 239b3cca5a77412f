import { expect, test } from "vitest";
import { Pacer } from "../src/capture/pacer";

/** Take frames as soon as they are due, by a timer that is late by `late` milliseconds each time. */
function run(pacer: Pacer, from: number, to: number, late: number): number {
  let [now, taken] = [from, 0];
  while (now < to) {
    now += pacer.waitMs(now) + late;
    pacer.take(now);
    taken += 1;
  }
  return taken;
}

test("the pace is kept although timers are late", () => {
  const pacer = new Pacer();
  pacer.setFps(10);
  expect(run(pacer, 1000, 11_000, 7)).toBeGreaterThanOrEqual(99);
  expect(pacer.fps).toBe(10);
});

test("frames that could not be taken in time are counted, and not made up for", () => {
  const pacer = new Pacer();
  pacer.setFps(10);
  expect(pacer.take(1000)).toBe(0);
  expect(pacer.take(1550)).toBe(4);
  expect(pacer.waitMs(1550)).toBe(100);
});

test("a faster pace holds at once", () => {
  const pacer = new Pacer();
  pacer.setFps(0.5);
  pacer.take(1000);
  expect(pacer.waitMs(1000)).toBe(2000);
  pacer.setFps(10);
  expect(pacer.waitMs(1000)).toBe(100);
});

test("a slower pace holds from the next frame", () => {
  const pacer = new Pacer();
  pacer.setFps(10);
  pacer.take(1000);
  pacer.setFps(1);
  pacer.take(1100);
  expect(pacer.waitMs(1100)).toBe(1000);
});

test("a pause is no loss", () => {
  const pacer = new Pacer();
  pacer.setFps(10);
  pacer.take(1000);
  pacer.restart();
  expect(pacer.take(60_000)).toBe(0);
});

test.each([0, -1, NaN])("a pace of %s is none", (fps) => {
  const pacer = new Pacer();
  pacer.setFps(5);
  pacer.setFps(fps);
  expect(pacer.fps).toBe(5);
});
