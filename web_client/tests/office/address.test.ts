import { expect, test } from "vitest";
import { cameraId, firstFree, isCameraId, pairingLink, problemOf } from "../../src/office/pairing/address";

test("an address that no phone reaches, or that gives no camera, is told apart from a good one", () => {
  expect(problemOf("https://school.example")).toBeNull();
  expect(problemOf("http://10.0.0.5:8000")).toBe("plain");
  for (const own of ["http://127.0.0.1:8000", "https://localhost:8443", "http://[::1]:8000"]) expect(problemOf(own)).toBe("loopback");
  for (const none of ["", "school", "ftp://school.example", "javascript:alert(1)"]) expect(problemOf(none)).toBe("not-address");
});

test("the code stands behind the #, where no server sees it", () => {
  expect(pairingLink("https://school.example/somewhere?x", "7KQ2-M9XD")).toBe("https://school.example/camera#code=7KQ2-M9XD");
});

test("every name makes an id that the server takes, or none", () => {
  expect(cameraId("Phone of room 5")).toBe("phone-of-room-5");
  expect(cameraId("Büro · Ağaç")).toBe("buro-agac");
  expect(cameraId("教室")).toBe("");
  expect(cameraId("Room 12 – Süd")).toBe("room-12-sud");
  expect(isCameraId(cameraId("x".repeat(100)))).toBe(true);
  for (const wrong of ["", "-a", "A", "a b", "a".repeat(65)]) expect(isCameraId(wrong), wrong).toBe(false);
});

test("a phone that nobody has named gets the first number that is free", () => {
  expect(firstFree(new Set())).toBe(1);
  expect(firstFree(new Set(["phone-1", "phone-3", "door"]))).toBe(2);
});
