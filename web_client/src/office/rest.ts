/** The REST API, with the types of its description: a path, member or value that the server does not have is an error. */
import { request, RequestFailed } from "../api";
import type { components, paths } from "../generated/api";

export { RequestFailed } from "../api";

/** The shapes of bodies, by name. */
export type Shapes = components["schemas"];

type Method = "get" | "post" | "put" | "patch" | "delete";
type PathsWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, object> ? P : never }[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never;
type PathParams<O> = O extends { parameters: { path: infer V extends object } } ? { path: V } : { path?: never };
type Query<O> = O extends { parameters: { query?: infer Q } } ? ([Q] extends [undefined] ? { query?: never } : { query?: Q }) : unknown;
type Sent<O> = O extends { requestBody?: infer R } ? Exclude<R, undefined> : never;
type Content<O> = [Sent<O>] extends [never] ? never : Sent<O> extends { content: infer C } ? C : never;
type Body<O> = [Content<O>] extends [never]
  ? { body?: never; raw?: never }
  : Content<O> extends { "application/json": infer B }
    ? { body: B; raw?: never }
    : { raw: Blob; body?: never };
type JsonOf<R> = R extends { content: { "application/json": infer A } } ? A : undefined;
type Answer<O> = O extends { responses: infer R }
  ? R extends { 200: infer A } ? JsonOf<A> : R extends { 201: infer A } ? JsonOf<A> : undefined
  : never;

interface Extras {
  /** The version that was read, for `If-Match`; the answer is 412 when somebody else was faster. */
  version?: number;
  /** Only for what is sent before anybody has signed in. */
  token?: string;
  /** For what takes the server long, such as an import. */
  timeoutMs?: number;
  headers?: Record<string, string>;
}

export type Asked<P extends keyof paths, M extends Method> = PathParams<Operation<P, M>> &
  Query<Operation<P, M>> & Body<Operation<P, M>> & Extras;
// Whether nothing has to be said.
type Given<T> = Partial<T> extends T ? [T?] : [T];

/** What is needed from whoever knows who has signed in. */
interface Holder {
  csrfToken: () => string | null;
  /** The token of a page that was left open may be of an earlier session: ask again; false when nobody is signed in. */
  renew: () => Promise<boolean>;
  signedOut: () => void;
}

let holder: Holder = { csrfToken: () => null, renew: () => Promise.resolve(false), signedOut: () => undefined };

export function setHolder(made: Holder): void {
  holder = made;
}

type Value = string | number | boolean | null | undefined;

/** The address of an endpoint, with what stands in its path and query. */
export function addressOf(
  path: string,
  params: Record<string, Value> = {},
  query: Record<string, Value | readonly Value[]> = {},
): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name] ?? "")));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? (value as readonly Value[]) : [value as Value]) {
      if (one !== undefined && one !== null && one !== "") search.append(name, String(one));
    }
  }
  const text = search.toString();
  return text === "" ? filled : `${filled}?${text}`;
}

interface Loose extends Extras {
  path?: Record<string, Value>;
  query?: Record<string, Value | readonly Value[]>;
  body?: unknown;
  raw?: Blob;
}

async function send(method: Method, path: string, asked: Loose, again = false): Promise<unknown> {
  const headers: Record<string, string> = { ...asked.headers };
  const init: RequestInit = { method: method.toUpperCase(), headers };
  const csrf = holder.csrfToken();
  if (method !== "get" && csrf !== null && asked.token === undefined) headers["X-CSRF-Token"] = csrf;
  if (asked.version !== undefined) headers["If-Match"] = `"${asked.version}"`;
  if (asked.raw !== undefined) {
    headers["Content-Type"] = asked.raw.type || "application/octet-stream";
    init.body = asked.raw;
  } else if (asked.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(asked.body);
  }
  try {
    const response = await request(addressOf(path, asked.path, asked.query), init, asked.token, asked.timeoutMs);
    const isJson = (response.headers.get("Content-Type") ?? "").startsWith("application/json");
    return isJson ? await response.json() : undefined;
  } catch (error) {
    if (!(error instanceof RequestFailed) || asked.token !== undefined) throw error;
    if (error.code === "csrf_refused" && !again && (await holder.renew())) return await send(method, path, asked, true);
    if (error.code === "unauthenticated") holder.signedOut();
    throw error;
  }
}

function sender<M extends Method>(method: M) {
  return async <P extends PathsWith<M>>(path: P, ...given: Given<Asked<P, M>>): Promise<Answer<Operation<P, M>>> =>
    (await send(method, path, (given[0] ?? {}) as Loose)) as Answer<Operation<P, M>>;
}

/** Each raises RequestFailed, whose `detail` and `hint` are in words for people. */
export const rest = {
  get: sender("get"),
  post: sender("post"),
  put: sender("put"),
  patch: sender("patch"),
  delete: sender("delete"),
};

interface OnePage {
  next_cursor?: string | null;
}

/** All pages of a list, up to `most` items: lists here are for people to look at. */
export async function everything<T extends OnePage, I>(
  read: (cursor: string | undefined) => Promise<T>,
  items: (page: T) => readonly I[],
  most = 1000,
): Promise<I[]> {
  const found: I[] = [];
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    found.push(...items(page));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && found.length < most);
  return found;
}
