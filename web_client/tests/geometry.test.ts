import { expect, test } from "vitest";
import { placeBox, sizeToSend } from "../src/capture/geometry";

const ASKED = { width: 640, height: 480 };

test.each([
  ["as large as is asked for", { width: 1280, height: 960 }, 1, { width: 640, height: 480 }],
  ["whole, when it is wider", { width: 1280, height: 720 }, 1, { width: 640, height: 360 }],
  ["turned, when the phone stands upright", { width: 960, height: 1280 }, 1, { width: 480, height: 640 }],
  ["never larger than it is", { width: 320, height: 240 }, 1, { width: 320, height: 240 }],
  ["smaller on a slow line", { width: 1280, height: 960 }, 0.5, { width: 320, height: 240 }],
  ["with even sides", { width: 1001, height: 563 }, 1, { width: 640, height: 360 }],
])("a picture is sent %s", (_, picture, scale, size) => {
  expect(sizeToSend(picture, ASKED, scale)).toEqual(size);
});

const SENT = { width: 640, height: 480 };
const BOX = [64, 48, 128, 144] as const;

test("a box lies where the face is in an element of the same shape", () => {
  const element = { width: 320, height: 240 };
  expect(placeBox(BOX, SENT, element, "contain", false)).toEqual({ x: 32, y: 24, width: 32, height: 48 });
});

test("bars beside the picture move the box", () => {
  const element = { width: 1000, height: 480 };
  expect(placeBox(BOX, SENT, element, "contain", false)).toEqual({ x: 180 + 64, y: 48, width: 64, height: 96 });
});

test("a picture that is cut at the sides moves the box the other way", () => {
  const element = { width: 320, height: 480 };
  expect(placeBox(BOX, SENT, element, "cover", false)).toEqual({ x: -160 + 64, y: 48, width: 64, height: 96 });
});

test.each(["contain", "cover"] as const)("a mirrored picture mirrors the box and not its size (%s)", (fit) => {
  const element = { width: 500, height: 300 };
  const plain = placeBox(BOX, SENT, element, fit, false);
  const mirrored = placeBox(BOX, SENT, element, fit, true);
  expect(mirrored.x + mirrored.width / 2).toBeCloseTo(500 - (plain.x + plain.width / 2));
  expect([mirrored.y, mirrored.width, mirrored.height]).toEqual([plain.y, plain.width, plain.height]);
});

test("the middle stays the middle, whatever the fit and the mirror", () => {
  for (const fit of ["contain", "cover"] as const) {
    for (const mirror of [true, false]) {
      const { x, y, width, height } = placeBox([300, 220, 340, 260], SENT, { width: 700, height: 200 }, fit, mirror);
      expect(x + width / 2).toBeCloseTo(350);
      expect(y + height / 2).toBeCloseTo(100);
    }
  }
});
