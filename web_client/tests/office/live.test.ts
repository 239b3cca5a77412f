import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveEvents, type Event } from "../../src/office/live";
import { Backoff } from "../../src/link/backoff";

/** A server of events: each connection is answered, fed and cut by the test. */
class Line {
  readonly asked: Headers;
  private readonly controller: { value: ReadableStreamDefaultController<Uint8Array> | null } = { value: null };
  constructor(init: RequestInit, private readonly answer: (response: Response) => void, fail: (error: unknown) => void) {
    this.asked = new Headers(init.headers);
    init.signal?.addEventListener("abort", () => {
      fail(new Error("aborted"));
      this.cut();
    });
  }
  open(): void {
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (this.controller.value = controller) });
    this.answer(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
  }
  refuse(status: number): void {
    this.answer(new Response("", { status }));
  }
  say(text: string): void {
    this.controller.value?.enqueue(new TextEncoder().encode(text));
  }
  cut(): void {
    try {
      this.controller.value?.error(new Error("cut"));
    } catch {
      // It has ended already.
    }
  }
}

const lines: Line[] = [];
const open = ((_: string, init: RequestInit) =>
  new Promise<Response>((answer, fail) => lines.push(new Line(init, answer, fail)))) as unknown as typeof fetch;
const signedOut = vi.fn();

function stream(): LiveEvents {
  return new LiveEvents(signedOut, new Backoff(1000, 8000, () => 1), open);
}

function last(): Line {
  const line = lines[lines.length - 1];
  if (!line) throw new Error("nobody has connected");
  return line;
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const event = (id: number) => `id: ${id}\nevent: attendance.marked\ndata: ${JSON.stringify({ id, type: "attendance.marked", at: "", data: {} })}\n\n`;

beforeEach(() => {
  vi.useFakeTimers();
  lines.length = 0;
  signedOut.mockClear();
});
afterEach(() => vi.useRealTimers());

test("events come to those who want their type, and are gone on with behind the last after a cut", async () => {
  const live = stream();
  const heard: Event[] = [];
  const everything = vi.fn();
  live.on("attendance.marked", (one) => heard.push(one));
  const end = live.on("*", everything);
  live.start();
  expect(live.state.value).toBe("connecting");
  expect(last().asked.has("Last-Event-ID")).toBe(false);
  last().open();
  await settle();
  expect(live.state.value).toBe("live");
  expect(live.epoch.value).toBe(1);
  last().say(event(7) + event(8));
  await settle();
  expect(heard.map(({ id }) => id)).toEqual([7, 8]);
  end();
  last().cut();
  await settle();
  expect(live.state.value).toBe("waiting");
  await vi.advanceTimersByTimeAsync(1000);
  expect(last().asked.get("Last-Event-ID")).toBe("8");
  last().open();
  await settle();
  expect(live.epoch.value, "nothing was missed, so nothing is read anew").toBe(1);
  last().say(event(9));
  await settle();
  expect(heard).toHaveLength(3);
  expect(everything).toHaveBeenCalledTimes(2);
  live.stop();
});

test("lists are read anew after a gap, and when no event had come before the line was cut", async () => {
  const live = stream();
  live.start();
  last().open();
  await settle();
  last().cut();
  await vi.advanceTimersByTimeAsync(1000);
  last().open();
  await settle();
  expect(live.epoch.value).toBe(2);
  last().say('event: gap\ndata: {"type":"gap","oldest_id":900}\n\n');
  await settle();
  expect(live.epoch.value).toBe(3);
  live.stop();
});

test("a silent line is dead; signs of life keep it", async () => {
  const live = stream();
  live.start();
  last().open();
  await settle();
  for (let beat = 0; beat < 5; beat++) {
    await vi.advanceTimersByTimeAsync(15_000);
    last().say(": still here\n\n");
    await settle();
  }
  expect(live.state.value).toBe("live");
  await vi.advanceTimersByTimeAsync(40_000);
  expect(live.state.value).toBe("waiting");
  expect(live.retryAt.value).toBe(Date.now() + 1000);
  live.stop();
});

test("refusals are tried again with growing pauses, and at once when somebody asks for it", async () => {
  const live = stream();
  live.start();
  for (const wait of [1000, 2000, 4000]) {
    last().refuse(503);
    await settle();
    expect(live.retryAt.value - Date.now()).toBe(wait);
    await vi.advanceTimersByTimeAsync(wait);
  }
  expect(lines).toHaveLength(4);
  last().refuse(503);
  await settle();
  live.tryNow();
  await settle();
  expect(lines).toHaveLength(5);
  live.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(lines, "stopped is stopped").toHaveLength(5);
  expect(live.state.value).toBe("off");
});

test("an ended session is told, and a page that is no stream is not taken for one", async () => {
  const live = stream();
  live.start();
  last().refuse(401);
  await settle();
  expect(signedOut).toHaveBeenCalledOnce();
  live.stop();
  live.start();
  last().refuse(200);
  await settle();
  expect(live.state.value).toBe("waiting");
  live.stop();
});

test("how the server is comes with the stream, and is forgotten with it", async () => {
  const live = stream();
  live.start();
  last().open();
  await settle();
  last().say('event: status\ndata: {"type":"status","state":"degraded","reasons":["why"]}\n\nevent: status\ndata: {no json\n\n');
  await settle();
  expect(live.server.value).toMatchObject({ state: "degraded", reasons: ["why"] });
  live.forget();
  expect(live.server.value).toBeNull();
});
