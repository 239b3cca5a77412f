import { expect, test } from "vitest";
import { MessageReader } from "../../src/office/sse";

const STREAM = 'id: 7\nevent: attendance.marked\ndata: {"a":1}\n\n: still here\n\nevent: gap\r\ndata: one\r\ndata: two\r\n\r\n';
const MESSAGES = [
  { id: "7", type: "attendance.marked", data: '{"a":1}' },
  { id: null, type: "gap", data: "one\ntwo" },
];

test("messages are read whole, in pieces of any size", () => {
  for (const size of [1, 2, 3, 7, STREAM.length]) {
    const reader = new MessageReader();
    const found = [];
    for (let at = 0; at < STREAM.length; at += size) found.push(...reader.feed(STREAM.slice(at, at + size)));
    expect(found, `pieces of ${size}`).toEqual(MESSAGES);
  }
});

test("what is not ended yet is no message", () => {
  const reader = new MessageReader();
  expect(reader.feed("data: half")).toEqual([]);
  expect(reader.feed("\n")).toEqual([]);
  expect(reader.feed("\n")).toEqual([{ id: null, type: "message", data: "half" }]);
});

test("a line without an end is given up before it fills the memory", () => {
  const reader = new MessageReader();
  expect(() => {
    for (let count = 0; count < 100; count++) reader.feed("x".repeat(65_536));
  }).toThrow();
});
