import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Standing } from "../src/api";
import { Backoff } from "../src/link/backoff";
import { Connection, FULL_MS, SILENT_MS, STEADY_MS, VIDEO_AFTER_MS } from "../src/link/connection";
import type { Ending, LinkEvents, PictureLink, VideoLink } from "../src/link/link";
import { endingOf } from "../src/link/websocket";
import type { ServerMessage } from "../src/wire";

class Fake {
  readonly bufferedBytes = 0;
  closed = false;
  constructor(
    readonly carrier: "websocket" | "webrtc",
    readonly events: LinkEvents,
  ) {}
  send = () => undefined;
  setFps = () => undefined;
  figures = () => Promise.resolve(null);
  close = () => {
    this.closed = true;
  };
  welcome() {
    this.events.message({ type: "welcome" } as ServerMessage);
  }
  end(ending: Ending) {
    this.events.ended(ending);
  }
}

let sockets: Fake[];
let videos: Fake[];
let heard: ServerMessage[];
let standing: Standing;

function make({ videoMayWork = false, hasVideo = true } = {}): Connection {
  return new Connection({
    openSocket: (events) => {
      sockets.push(new Fake("websocket", events));
      return sockets.at(-1) as unknown as PictureLink;
    },
    openVideo: (events) => {
      if (!hasVideo) return null;
      videos.push(new Fake("webrtc", events));
      return videos.at(-1) as unknown as VideoLink;
    },
    standing: () => Promise.resolve(standing),
    message: (message) => heard.push(message),
    videoMayWork,
    backoff: new Backoff(1000, 8000, () => 1),
    now: () => Date.now(),
  });
}

const carrierOf = (connection: Connection) =>
  connection.state.value.is === "live" ? connection.state.value.link.carrier : connection.state.value.is;

beforeEach(() => {
  vi.useFakeTimers();
  [sockets, videos, heard, standing] = [[], [], [], "paired"];
});
afterEach(() => void vi.useRealTimers());

test("it is live with the welcome and not before", () => {
  const connection = make();
  connection.start("auto");
  expect(carrierOf(connection)).toBe("connecting");
  sockets[0]?.welcome();
  expect(carrierOf(connection)).toBe("websocket");
});

test("after a break it comes back by itself, later each time", () => {
  const connection = make();
  connection.start("auto");
  for (const wait of [1000, 2000, 4000]) {
    sockets.at(-1)?.welcome();
    sockets.at(-1)?.end("away");
    expect(connection.state.value).toMatchObject({ is: "waiting", untilMs: Date.now() + wait });
    const before = sockets.length;
    vi.advanceTimersByTime(wait - 1);
    expect(sockets.length).toBe(before);
    vi.advanceTimersByTime(1);
    expect(sockets.length).toBe(before + 1);
  }
  sockets.at(-1)?.welcome();
  vi.advanceTimersByTime(STEADY_MS);
  sockets.at(-1)?.end("away");
  expect(connection.state.value).toMatchObject({ untilMs: Date.now() + 1000 });
});

test("a connection that was steady for too short is not counted as steady while the next is awaited", () => {
  const connection = make();
  connection.start("auto");
  for (const wait of [1000, 2000, 4000, 8000]) {
    sockets.at(-1)?.welcome();
    sockets.at(-1)?.end("away");
    expect(connection.state.value).toMatchObject({ untilMs: Date.now() + wait });
    vi.advanceTimersByTime(wait);
  }
  // Past STEADY_MS of the first welcome, and of none that lasted.
  expect(1000 + 2000 + 4000 + 8000).toBeGreaterThan(STEADY_MS);
  sockets.at(-1)?.end("away");
  expect(connection.state.value).toMatchObject({ untilMs: Date.now() + 8000 });
});

test("a refusal is asked about: who is no longer paired is told so and does not try again", async () => {
  standing = "unpaired";
  const connection = make();
  connection.start("auto");
  sockets[0]?.end("refused");
  await vi.runAllTimersAsync();
  expect(connection.state.value.is).toBe("unpaired");
  expect(sockets.length).toBe(1);
});

test("a server that has no room is asked again, not too soon, and it is said why", () => {
  const connection = make();
  connection.start("auto");
  for (const wait of [FULL_MS, FULL_MS, FULL_MS, 8000]) {
    sockets.at(-1)?.events.message({ type: "error", code: "memory_full" } as ServerMessage);
    sockets.at(-1)?.end("full");
    expect(connection.state.value).toEqual({ is: "waiting", untilMs: Date.now() + wait, full: true });
    vi.advanceTimersByTime(wait);
  }
  sockets.at(-1)?.welcome();
  expect(carrierOf(connection)).toBe("websocket");
  sockets.at(-1)?.end("away");
  expect(connection.state.value).toMatchObject({ is: "waiting", full: false });
});

test.each([
  [1013, true, "full"],
  [1006, false, "refused"],
  [1012, true, "away"],
  [4409, true, "replaced"],
  [4404, true, "revoked"],
  [4401, true, "revoked"],
])("a socket closed with %i is %s %s", (code, wasOpen, ending) => {
  expect(endingOf(code, wasOpen)).toBe(ending);
});

test("a refusal of a server that is only away is tried again", async () => {
  standing = "away";
  const connection = make();
  connection.start("auto");
  sockets[0]?.end("refused");
  await vi.advanceTimersByTimeAsync(1000);
  expect(sockets.length).toBe(2);
});

test("a camera that another device took over waits to be told", () => {
  const connection = make();
  connection.start("auto");
  sockets[0]?.welcome();
  sockets[0]?.end("replaced");
  vi.advanceTimersByTime(3_600_000);
  expect(connection.state.value.is).toBe("replaced");
  expect(sockets.length).toBe(1);
  connection.retry();
  expect(sockets.length).toBe(2);
});

test("where it may work, video takes over from the socket without a gap", () => {
  const connection = make({ videoMayWork: true });
  connection.start("auto");
  sockets[0]?.welcome();
  vi.advanceTimersByTime(VIDEO_AFTER_MS);
  expect(carrierOf(connection)).toBe("websocket");
  videos[0]?.welcome();
  expect(carrierOf(connection)).toBe("webrtc");
  expect(sockets[0]?.closed).toBe(true);
});

test("the server may replace the socket before the video's welcome is through", () => {
  const connection = make({ videoMayWork: true });
  connection.start("auto");
  sockets[0]?.welcome();
  vi.advanceTimersByTime(VIDEO_AFTER_MS);
  sockets[0]?.end("replaced");
  expect(connection.state.value.is).toBe("connecting");
  videos[0]?.welcome();
  expect(carrierOf(connection)).toBe("webrtc");
});

test("video that does not connect changes nothing for the socket", () => {
  const connection = make({ videoMayWork: true });
  connection.start("auto");
  sockets[0]?.welcome();
  vi.advanceTimersByTime(VIDEO_AFTER_MS);
  videos[0]?.end("refused");
  vi.advanceTimersByTime(60_000);
  expect(carrierOf(connection)).toBe("websocket");
  expect(sockets.length).toBe(1);
  expect(videos.length).toBe(1);
  expect(connection.fellBack.value).toBe(false);
});

test("video that was chosen and fails falls back to the socket, and says so", () => {
  const connection = make();
  connection.start("webrtc");
  expect(sockets.length).toBe(0);
  videos[0]?.end("refused");
  sockets[0]?.welcome();
  expect(carrierOf(connection)).toBe("websocket");
  expect(connection.fellBack.value).toBe(true);
});

test("video that breaks goes on by socket at once", () => {
  const connection = make({ videoMayWork: true });
  connection.start("auto");
  sockets[0]?.welcome();
  vi.advanceTimersByTime(VIDEO_AFTER_MS);
  videos[0]?.welcome();
  videos[0]?.end("away");
  sockets[1]?.welcome();
  expect(carrierOf(connection)).toBe("websocket");
});

test("a browser without WebRTC uses the socket although the other was chosen", () => {
  const connection = make({ hasVideo: false });
  connection.start("webrtc");
  sockets[0]?.welcome();
  expect(carrierOf(connection)).toBe("websocket");
});

test("only the connection that counts is heard", () => {
  const connection = make({ videoMayWork: true });
  connection.start("auto");
  sockets[0]?.welcome();
  vi.advanceTimersByTime(VIDEO_AFTER_MS);
  videos[0]?.welcome();
  heard.length = 0;
  sockets[0]?.events.message({ type: "pace", pace_fps: 1 });
  expect(heard).toEqual([]);
});

test("a line that is silent is given up", () => {
  const connection = make();
  connection.start("auto");
  sockets[0]?.welcome();
  vi.advanceTimersByTime(SILENT_MS);
  connection.silent();
  expect(sockets[0]?.closed).toBe(true);
  expect(connection.state.value.is).toBe("waiting");
});

test("what ends after the stop starts nothing", () => {
  const connection = make({ videoMayWork: true });
  connection.start("auto");
  sockets[0]?.welcome();
  connection.stop();
  sockets[0]?.end("away");
  vi.advanceTimersByTime(3_600_000);
  expect(connection.state.value.is).toBe("off");
  expect([sockets.length, videos.length]).toEqual([1, 0]);
});

test("a new stream is offered anew", () => {
  const connection = make();
  connection.start("webrtc");
  videos[0]?.welcome();
  connection.streamChanged();
  expect(videos[0]?.closed).toBe(true);
  expect(videos.length).toBe(2);
});
