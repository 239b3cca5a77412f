/** What crosses the wire: the server's own types, and the reading of messages. */
import type { components as Rest } from "./generated/api";
import type { components as Messages } from "./generated/messages";

export type Hello = Messages["schemas"]["Hello"];
export type Welcome = Messages["schemas"]["Welcome"];
export type Pace = Messages["schemas"]["Pace"];
export type Faces = Messages["schemas"]["Faces"];
export type Face = Messages["schemas"]["Face"];
export type AttendanceNotice = Messages["schemas"]["AttendanceNotice"];
export type ErrorNotice = Messages["schemas"]["ErrorNotice"];
export type ServerMessage = Welcome | Pace | Faces | AttendanceNotice | ErrorNotice;

export type Paired = Rest["schemas"]["Paired"];
export type PairRequest = Rest["schemas"]["PairRequest"];
export type Problem = Rest["schemas"]["Problem"];

export const PROTOCOL = 1;
// More are never drawn, and a crowd of that size is no classroom.
const FACES_MAX = 200;

type Members = Record<string, unknown>;

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isPerson(value: unknown): boolean {
  return isObject(value) && typeof value["id"] === "string" && typeof value["name"] === "string";
}

function isFace(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { box, state, person } = value;
  const boxed = Array.isArray(box) && box.length === 4 && box.every(isNumber);
  return boxed && typeof state === "string" && (person === null || person === undefined || isPerson(person));
}

const USABLE: Record<string, (message: Members) => boolean> = {
  welcome: (message) =>
    isNumber(message["pace_fps"]) &&
    isNumber(message["width_px"]) &&
    isNumber(message["height_px"]) &&
    isNumber(message["quality"]) &&
    isNumber(message["max_bytes"]),
  pace: (message) => isNumber(message["pace_fps"]) && message["pace_fps"] > 0,
  faces: (message) =>
    isNumber(message["frame"]) &&
    isNumber(message["width_px"]) &&
    isNumber(message["height_px"]) &&
    isNumber(message["received"]) &&
    isNumber(message["dropped"]) &&
    Array.isArray(message["faces"]) &&
    message["faces"].length <= FACES_MAX &&
    message["faces"].every(isFace),
  attendance: (message) => isPerson(message["person"]) && typeof message["status"] === "string",
  error: (message) => typeof message["code"] === "string" && typeof message["detail"] === "string",
};

/** A message of the server; null for one that this page does not know (a later server may send such) or cannot use. */
export function parseMessage(data: unknown): ServerMessage | null {
  if (typeof data !== "string") return null;
  let content: unknown;
  try {
    content = JSON.parse(data);
  } catch {
    return null;
  }
  if (!isObject(content) || typeof content["type"] !== "string") return null;
  if (!Object.hasOwn(USABLE, content["type"]) || USABLE[content["type"]]?.(content) !== true) return null;
  return content as unknown as ServerMessage;
}
