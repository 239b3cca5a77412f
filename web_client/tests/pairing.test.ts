import { expect, test } from "vitest";
import { codeOf, deviceName, isWholeCode, Pairing, shownCode, takeCode } from "../src/pairing";

const DEVICE = { device_id: "1", token: "rcd_x", camera_id: "door", name: "Door" };

class Kept {
  readonly values = new Map<string, string>();
  getItem = (key: string) => this.values.get(key) ?? null;
  setItem = (key: string, value: string) => void this.values.set(key, value);
  removeItem = (key: string) => void this.values.delete(key);
}

test.each([
  ["7kq2m9xd", "7KQ2-M9XD"],
  [" 7KQ2 - M9XD ", "7KQ2-M9XD"],
  ["7kq2", "7KQ2"],
  ["7kq2m", "7KQ2-M"],
  ["7KQ2-M9XDextra", "7KQ2-M9XD"],
  ["", ""],
])("what is typed is shown as a code: %s", (typed, shown) => {
  expect(shownCode(typed)).toBe(shown);
});

test("only a whole code is one", () => {
  expect(isWholeCode("7KQ2-M9XD")).toBe(true);
  expect(isWholeCode("7KQ2-M9X")).toBe(false);
});

test.each(["", "#", "#code=", "#code=7KQ2", "#token=7KQ2-M9XD", "#7KQ2-M9XD"])("%s holds no code", (fragment) => {
  expect(codeOf(fragment)).toBeNull();
});

test("the code leaves the address bar, and the history does not grow", () => {
  const replaced: unknown[] = [];
  const location = { hash: "#code=7kq2-m9xd", pathname: "/camera", search: "?a" } as Location;
  const history = { replaceState: (...given: unknown[]) => void replaced.push(given[2]) } as unknown as History;
  expect(takeCode(location, history)).toBe("7KQ2-M9XD");
  expect(replaced).toEqual(["/camera?a"]);
});

test("a fragment that holds no code is taken away as well", () => {
  const replaced: unknown[] = [];
  const history = { replaceState: (...given: unknown[]) => void replaced.push(given[2]) } as unknown as History;
  expect(takeCode({ hash: "#x", pathname: "/camera", search: "" } as Location, history)).toBeNull();
  expect(replaced).toEqual(["/camera"]);
});

test("a pairing is kept and forgotten", () => {
  const kept = new Kept();
  const pairing = new Pairing(kept);
  expect(pairing.read()).toBeNull();
  expect(pairing.keep(DEVICE)).toBe(true);
  expect(new Pairing(kept).read()).toEqual(DEVICE);
  pairing.forget();
  expect(kept.values.size).toBe(0);
});

test.each(["{", "7", "null", '{"token": 7}', '{"token": "x"}'])("a broken pairing is none: %s", (text) => {
  const kept = new Kept();
  kept.setItem("rollcall.device", text);
  expect(new Pairing(kept).read()).toBeNull();
});

test("a browser that keeps nothing is told of, and does not break the page", () => {
  const fails = () => {
    throw new DOMException("no", "QuotaExceededError");
  };
  const pairing = new Pairing({ getItem: fails, setItem: fails, removeItem: fails });
  expect(pairing.keep(DEVICE)).toBe(false);
  expect(pairing.read()).toBeNull();
  expect(() => pairing.forget()).not.toThrow();
});

test.each([
  ["Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36", "Android phone"],
  ["Mozilla/5.0 (iPhone; CPU iPhone OS 15_0 like Mac OS X)", "iPhone"],
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Windows computer"],
  ["curl/8", "Browser"],
])("%s is called %s", (agent, name) => {
  expect(deviceName(agent)).toBe(name);
});
