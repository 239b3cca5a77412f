import { expect, test } from "vitest";
import { brightness, hintFor, lightOf, Steps, type Check } from "../../src/office/pages/people/guidance";

function check(yaw: number, refusal: Check["refusal"] = null): Check {
  return { refusal, detail: "", hint: "", face: { size_px: 60, sharpness: 1, yaw, pitch: 0, score: 0.8 }, box_xyxy: [0, 0, 1, 1] };
}

test("somebody is told to turn until the wanted angle is reached, and no further", () => {
  expect(hintFor(check(0.05), "straight", null)).toBe("hold");
  expect(hintFor(check(0.3), "straight", null)).toBe("less");
  // Their left is at the picture's right.
  expect(hintFor(check(0.05), "left", null)).toBe("more");
  expect(hintFor(check(0.3), "left", null)).toBe("hold");
  expect(hintFor(check(-0.3), "left", null)).toBe("more");
  expect(hintFor(check(-0.3), "right", null)).toBe("hold");
  expect(hintFor(check(-0.53), "right", null)).toBe("less");
});

test("what the server refuses goes before the angle, and the light before what it spoils", () => {
  expect(hintFor(check(0, "too_small"), "straight", null)).toBe("too_small");
  expect(hintFor(check(0, "blurred"), "straight", "dark")).toBe("dark");
  expect(hintFor(check(0, "no_face"), "straight", "dark")).toBe("dark");
  expect(hintFor(check(0, "no_face"), "straight", "bright")).toBe("no_face");
  expect(hintFor(check(0), "straight", "behind")).toBe("behind");
});

test("the light is judged on the face, and in the whole picture only without one", () => {
  expect(lightOf(null, 20)).toBe("dark");
  expect(lightOf(null, 120)).toBeNull();
  expect(lightOf(60, 200)).toBe("behind");
  expect(lightOf(40, 50)).toBe("dark");
  expect(lightOf(240, 200)).toBe("bright");
  expect(lightOf(120, 130)).toBeNull();
});

test("brightness is that of the part of the picture, which may lie across its edge", () => {
  const rgba = new Uint8ClampedArray([255, 255, 255, 255, 0, 0, 0, 255]);
  expect(brightness(rgba, 2, 1)).toBeCloseTo(127.5);
  expect(brightness(rgba, 2, 1, [-0.5, 0, 0.5, 1])).toBeCloseTo(255);
  expect(brightness(rgba, 2, 1, [0.5, 0, 0.5, 1])).toBe(0);
});

test("a picture is taken when two in a row are good, once for each angle", () => {
  const steps = new Steps();
  expect(steps.wanted).toBe("straight");
  expect(["hold", "more", "hold", "hold"].map((hint) => steps.feed(hint as "hold"))).toEqual([false, false, false, true]);
  steps.again();
  expect(steps.feed("hold")).toBe(false);
  steps.next();
  expect([steps.wanted, steps.taken]).toEqual(["left", 1]);
  steps.next();
  steps.next();
  expect(steps.wanted).toBeNull();
});
