/** Requests to the server that this page came from. */
import type { Paired, PairRequest, Problem } from "./wire";

// Free tunnels answer a browser's first requests with a page of their own unless they see this. It is sent always: on
// requests to the own origin it costs nothing, and nobody has to know the names of all tunnels.
const TUNNEL_HEADERS = { "ngrok-skip-browser-warning": "1" };
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

/** A request; RequestFailed unless the answer is a success. */
export async function request(path: string, init: RequestInit = {}, token?: string): Promise<Response> {
  const headers = new Headers({ ...TUNNEL_HEADERS, ...(init.headers as Record<string, string> | undefined) });
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "same-origin", signal: abort.signal, ...init, headers });
  } catch {
    throw new RequestFailed(0, "away", "The server cannot be reached.");
  } finally {
    clearTimeout(timer);
  }
  if (response.ok) return response;
  throw await failureOf(response);
}

async function failureOf(response: Response): Promise<RequestFailed> {
  try {
    const problem = (await response.json()) as Partial<Problem>;
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
    return error instanceof RequestFailed && [401, 403].includes(error.status) ? "unpaired" : "away";
  }
}
