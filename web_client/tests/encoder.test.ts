import { afterEach, expect, test, vi } from "vitest";
import { frameOf } from "../src/capture/encoder";

afterEach(() => void vi.unstubAllGlobals());

const closed: object[] = [];
const STRAIGHT = {
  rotation: 0, flip: false, displayWidth: 640, displayHeight: 480, visibleRect: { width: 640, height: 480 },
};

function browserWith(frame: object): void {
  closed.length = 0;
  class Frame {
    constructor() {
      Object.assign(this, frame);
    }
    close(): void {
      closed.push(this);
    }
  }
  vi.stubGlobal("VideoFrame", Frame);
}

test("a picture that is shown as the camera has it is copied", () => {
  browserWith(STRAIGHT);
  expect(frameOf({} as HTMLVideoElement)).toMatchObject(STRAIGHT);
  expect(closed).toEqual([]);
});

test.each([
  ["turned", { rotation: 90 }],
  ["mirrored", { flip: true }],
  ["of a browser that does not say whether it is turned", { rotation: undefined }],
  ["stretched", { displayWidth: 853 }],
  ["of unknown pixels", { visibleRect: null }],
])("a picture that is %s is drawn, and nothing is held of it", (_, change) => {
  browserWith({ ...STRAIGHT, ...change });
  expect(frameOf({} as HTMLVideoElement)).toBeNull();
  expect(closed).toHaveLength(1);
});

test("a browser without such frames draws", () => {
  vi.stubGlobal("VideoFrame", undefined);
  expect(frameOf({} as HTMLVideoElement)).toBeNull();
});
