import { afterEach, expect, test, vi } from "vitest";
import { addressOf, everything, rest, setHolder } from "../../src/office/rest";

const asked: { path: string; init: RequestInit }[] = [];
const problem = (status: number, code: string) =>
  new Response(JSON.stringify({ code, detail: "no", hint: "try" }), { status, headers: { "Content-Type": "application/problem+json" } });

function answers(...those: (() => Response)[]): void {
  asked.length = 0;
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    asked.push({ path, init });
    return Promise.resolve((those[asked.length - 1] ?? those[those.length - 1])?.());
  });
}

const headers = (index = 0) => new Headers(asked[index]?.init.headers);
const signedOut = vi.fn();

function holder(token: string | null, renew = () => Promise.resolve(false)): void {
  signedOut.mockClear();
  setHolder({ csrfToken: () => token, renew, signedOut });
}

afterEach(() => vi.unstubAllGlobals());

test("what stands in a path or query cannot leave its place", () => {
  expect(addressOf("/api/v1/people/{person_id}", { person_id: "../users?x=1#" })).toBe("/api/v1/people/..%2Fusers%3Fx%3D1%23");
  expect(addressOf("/x", {}, { a: "1&b=2", none: undefined, empty: "", list: ["p", "q"], no: null, zero: 0 })).toBe(
    "/x?a=1%26b%3D2&list=p&list=q&zero=0",
  );
});

test("what changes something proves where it comes from, and says which version it changes", async () => {
  holder("proof");
  answers(() => Response.json({ id: "1" }));
  await rest.patch("/api/v1/groups/{group_id}", { path: { group_id: "1" }, body: { name: "7a" }, version: 3 });
  expect(asked[0]?.path).toBe("/api/v1/groups/1");
  expect(asked[0]?.init.method).toBe("PATCH");
  expect(headers().get("X-CSRF-Token")).toBe("proof");
  expect(headers().get("If-Match")).toBe('"3"');
  expect(asked[0]?.init.body).toBe('{"name":"7a"}');
  await rest.get("/api/v1/me");
  expect(headers(1).has("X-CSRF-Token")).toBe(false);
});

test("the proof of an earlier session is renewed once", async () => {
  const renew = vi.fn(() => Promise.resolve(true));
  holder("old", renew);
  answers(() => problem(403, "csrf_refused"), () => Response.json({}));
  await rest.post("/api/v1/logout");
  expect(asked).toHaveLength(2);
  answers(() => problem(403, "csrf_refused"));
  await expect(rest.post("/api/v1/logout")).rejects.toMatchObject({ code: "csrf_refused", hint: "try" });
  expect(asked).toHaveLength(2);
  expect(renew).toHaveBeenCalledTimes(2);
});

test("an ended session is noticed; a wrong token of the first run is not one", async () => {
  holder(null);
  answers(() => problem(401, "unauthenticated"));
  await expect(rest.get("/api/v1/me")).rejects.toMatchObject({ status: 401 });
  expect(signedOut).toHaveBeenCalledOnce();
  await expect(
    rest.post("/api/v1/setup", { token: "wrong", body: { login: "a", name: "A", password: "p" } }),
  ).rejects.toMatchObject({ status: 401 });
  expect(headers(1).get("Authorization")).toBe("Bearer wrong");
  expect(signedOut).toHaveBeenCalledOnce();
});

test("all pages of a list are read, and no more than asked for", async () => {
  const read = (cursor: string | undefined) => {
    const at = Number(cursor ?? 0);
    return Promise.resolve({ items: [at, at + 1], next_cursor: at < 8 ? String(at + 2) : null });
  };
  expect(await everything(read, (page) => page.items)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(await everything(read, (page) => page.items, 3)).toHaveLength(4);
});
