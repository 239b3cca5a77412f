import { expect, test } from "vitest";
import { localPath, match } from "../../src/office/router";

test("a pattern finds its parts, decoded, and no other path", () => {
  expect(match("/", "/")).toEqual({});
  expect(match("/people", "/people")).toEqual({});
  expect(match("/people/{id}", "/people/a%20b")).toEqual({ id: "a b" });
  for (const path of ["/people", "/people/", "/people/1/2", "/sessions/1", "/people/%E0%A4%A"]) {
    expect(match("/people/{id}", path), path).toBeNull();
  }
});

test("a way back is a path of this office and nothing else", () => {
  expect(localPath("/people?cursor=1")).toBe("/people?cursor=1");
  for (const wicked of [null, "", "people", "//evil.example/x", "/\\evil.example", "https://evil.example", "javascript:alert(1)"]) {
    expect(localPath(wicked), String(wicked)).toBe("/");
  }
  expect(localPath("/a/../b")).toBe("/b");
});
