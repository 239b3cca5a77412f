/** The address by which phones reach the server, and what is wrong with one. */
export type AddressProblem = "not-address" | "loopback" | "plain";

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export function problemOf(address: string): AddressProblem | null {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return "not-address";
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return "not-address";
  if (LOOPBACK.test(url.hostname)) return "loopback";
  return url.protocol === "http:" ? "plain" : null;
}

/** The camera page, already paired. Behind the `#` the code reaches neither a server's log nor a proxy. */
export function pairingLink(address: string, code: string): string {
  return `${new URL("/camera", address).href}#code=${code}`;
}

/** An id for a camera of this name: `Phone of room 5` becomes `phone-of-room-5`. */
export function cameraId(name: string): string {
  return name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 64);
}

export function isCameraId(id: string): boolean {
  return /^[a-z0-9][a-z0-9_-]{0,63}$/.test(id);
}

/** The id of a phone's camera that is called by a number. */
export function numberedId(number: number): string {
  return `phone-${number}`;
}

/** The least number whose id is none of these. */
export function firstFree(ids: ReadonlySet<string>): number {
  let number = 1;
  while (ids.has(numberedId(number))) number += 1;
  return number;
}
