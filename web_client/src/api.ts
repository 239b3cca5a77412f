/** Requests to the server that this page came from. */
import type { Paired, PairRequest, Problem } from "./wire";

// Free tunnels answer a browser's first requests with a page of their own unless they see this. It is sent always: on
// requests to the own origin it costs nothing, and nobody has to know the names of all tunnels.
export const TUNNEL_HEADERS = { "ngrok-skip-browser-warning": "1" };
const TIMEOUT_MS = 15_000;

/** The server said no, or could not be reached (`status` 0). */
export class RequestFailed extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly hint = "",
  ) {
    super(detail);
  }
}

/** A request; RequestFailed unless the answer is a success and has come whole and in time. */
export async function request(
  path: string,
  init: RequestInit = {},
  token?: string,
  timeoutMs = TIMEOUT_MS,
): Promise<Response> {
  const headers = new Headers({ ...TUNNEL_HEADERS, ...(init.headers as Record<string, string> | undefined) });
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  const abort = new AbortController();
  // Until the last byte: a body may stall as well as an answer.
  const timer = setTimeout(() => abort.abort(), timeoutMs);
  try {
    const response = await fetch(path, {
      cache: "no-store", credentials: "same-origin", signal: abort.signal, ...init, headers,
    });
    const text = await response.text();
    if (!response.ok) throw failureOf(response, text);
    return new Response(text === "" ? null : text, { status: response.status, headers: response.headers });
  } catch (error) {
    if (error instanceof RequestFailed) throw error;
    throw new RequestFailed(0, "away", "The server cannot be reached.");
  } finally {
    clearTimeout(timer);
  }
}

/** What the server says; what something between it and us says, as a hotel's sign-in page, has no code of ours. */
function failureOf(response: Response, text: string): RequestFailed {
  const type = response.headers.get("Content-Type") ?? "";
  if (type.split(";")[0]?.trim() !== "application/problem+json") return new RequestFailed(response.status, "unknown", "");
  try {
    const problem = JSON.parse(text) as Partial<Problem>;
    return new RequestFailed(response.status, problem.code ?? "unknown", problem.detail ?? "", problem.hint ?? "");
  } catch {
    return new RequestFailed(response.status, "unknown", "");
  }
}

/** Exchange a code for a token of this device. */
export async function pair(code: string, deviceName: string): Promise<Paired> {
  const body: PairRequest = { code, device_name: deviceName };
  const response = await request("/api/v1/pair", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Paired;
}

export type Standing = "paired" | "unpaired" | "away";

/** Whether a token is still good: a browser does not tell why a socket was refused. */
export async function standingOf(token: string): Promise<Standing> {
  try {
    await request("/api/v1/me", {}, token);
    return "paired";
  } catch (error) {
    return error instanceof RequestFailed && error.code === "unauthenticated" ? "unpaired" : "away";
  }
}
