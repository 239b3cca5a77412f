import { afterEach, expect, test, vi } from "vitest";
import { Viewfinder } from "../src/capture/viewfinder";

afterEach(() => void vi.unstubAllGlobals());

test("a camera that is closed while the cameras are listed has not been opened", async () => {
  class Stream {
    stopped = 0;
    track = {
      label: "", muted: false, getSettings: () => ({}), getCapabilities: () => ({}), stop: () => (this.stopped += 1),
    };
    getVideoTracks = () => [this.track];
    getTracks = () => [this.track];
  }
  const stream = new Stream();
  let listed: (devices: unknown[]) => void = () => undefined;
  const listing = new Promise<unknown[]>((resolve) => (listed = resolve));
  vi.stubGlobal("MediaStream", Stream);
  vi.stubGlobal("document", { createElement: () => ({ srcObject: null, play: () => Promise.resolve() }) });
  vi.stubGlobal("window", { isSecureContext: true });
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
  vi.stubGlobal("navigator", {
    mediaDevices: { getUserMedia: () => Promise.resolve(stream), enumerateDevices: () => listing },
  });
  const view = new Viewfinder(() => ({ deviceId: null, size: { width: 640, height: 480 } }), () => true, () => undefined);
  const opening = view.open();
  await vi.waitUntil(() => view.state.value.is === "on");
  view.close();
  listed([]);
  expect(await opening).toBe(false);
  expect(stream.stopped).toBe(1);
});
