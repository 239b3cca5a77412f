import { expect, test } from "vitest";
import { Backoff } from "../src/link/backoff";

test("waits double up to a limit", () => {
  const backoff = new Backoff(500, 15_000, () => 1);
  expect([1, 2, 3, 4, 5, 6, 7].map(() => backoff.next())).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
});

test("jitter takes at most half of a wait away, and never all of it", () => {
  expect(new Backoff(1000, 8000, () => 0).next()).toBe(500);
  expect(new Backoff(1000, 8000, () => 0.999).next()).toBeLessThan(1000);
});

test("a success begins anew", () => {
  const backoff = new Backoff(500, 15_000, () => 1);
  backoff.next();
  backoff.next();
  backoff.reset();
  expect(backoff.next()).toBe(500);
});

test("a weekend of failures is still a number", () => {
  const backoff = new Backoff(500, 15_000, () => 1);
  for (let tries = 0; tries < 20_000; tries += 1) backoff.next();
  expect(backoff.next()).toBe(15_000);
});
