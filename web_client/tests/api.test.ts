import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pair, RequestFailed, standingOf } from "../src/api";

const answers = (make: (signal: AbortSignal) => Response) =>
  vi.stubGlobal("fetch", (_: string, init: RequestInit) => Promise.resolve(make(init.signal as AbortSignal)));

const problem = (status: number, code: string) =>
  new Response(JSON.stringify({ code, detail: "no" }), { status, headers: { "Content-Type": "application/problem+json" } });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a token that the server does not know is no longer paired", async () => {
  answers(() => problem(401, "unauthenticated"));
  expect(await standingOf("t")).toBe("unpaired");
});

test("what something between us and the server says does not end a pairing", async () => {
  for (const answer of [
    () => new Response("<h1>Sign in to the hotel</h1>", { status: 403, headers: { "Content-Type": "text/html" } }),
    () => new Response("", { status: 401 }),
    () => Response.json({ code: "unauthenticated" }, { status: 401 }),
    () => problem(403, "origin_not_allowed"),
    () => problem(503, "storage_unavailable"),
  ]) {
    answers(answer);
    expect(await standingOf("t")).toBe("away");
  }
  answers(() => Response.json({ id: "x" }));
  expect(await standingOf("t")).toBe("paired");
});

test("an answer whose body stalls is given up", async () => {
  answers((signal) => {
    const body = new ReadableStream({
      start(controller) {
        signal.addEventListener("abort", () => controller.error(signal.reason));
      },
    });
    return new Response(body);
  });
  const failed = expect(pair("code", "phone")).rejects.toBeInstanceOf(RequestFailed);
  await vi.advanceTimersByTimeAsync(60_000);
  await failed;
});

test("a refusal keeps the server's words", async () => {
  answers(() => problem(403, "pairing_refused"));
  await expect(pair("code", "phone")).rejects.toMatchObject({ status: 403, code: "pairing_refused", message: "no" });
});
