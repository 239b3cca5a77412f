/** Something that is read from the server and may be read again. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { RequestFailed } from "../api";

export interface Resource<T> {
  /** What was read last; null until then. It stays while it is read again, and when that fails. */
  data: T | null;
  failure: RequestFailed | null;
  loading: boolean;
  reload: () => void;
  /** Show something else at once, such as what a change has answered. */
  set: (data: T) => void;
  /** As it is now. Two events that come together are told before either is shown, and the second builds on the first. */
  current: { readonly data: T | null; readonly loading: boolean };
}

/** What was thrown, as something that can be told to people. */
export function failureOf(error: unknown): RequestFailed {
  return error instanceof RequestFailed ? error : new RequestFailed(0, "unknown", String(error));
}

/** Read when the component is shown, and again when a key changes. Of two readings the later one counts. */
export function useResource<T>(read: () => Promise<T>, keys: readonly unknown[] = []): Resource<T> {
  const [data, show] = useState<T | null>(null);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const [loading, showLoading] = useState(true);
  const current = useRef<{ data: T | null; loading: boolean }>({ data: null, loading: true }).current;
  const set = useCallback((next: T) => {
    current.data = next;
    show(() => next);
  }, []);
  const setLoading = useCallback((next: boolean) => {
    current.loading = next;
    showLoading(next);
  }, []);
  const turn = useRef(0);
  const latest = useRef(read);
  latest.current = read;

  const reload = useCallback(() => {
    const mine = ++turn.current;
    setLoading(true);
    latest.current().then(
      (found) => {
        if (mine !== turn.current) return;
        set(found);
        setFailure(null);
        setLoading(false);
      },
      (error: unknown) => {
        if (mine !== turn.current) return;
        setFailure(failureOf(error));
        setLoading(false);
      },
    );
  }, []);
  useEffect(() => {
    reload();
    return () => void (turn.current += 1);
  }, keys);
  return { data, failure, loading, reload, set, current };
}

/** A list that comes in pages: the page that is shown, and the ways to its neighbours. */
export interface Paged<T> extends Resource<T> {
  number: number;
  previous: (() => void) | null;
  next: (() => void) | null;
}

/** Begins anew when a key changes. The server gives a cursor for the next page only, so the way back is remembered. */
export function usePages<T extends { next_cursor?: string | null }>(
  read: (cursor: string | undefined) => Promise<T>,
  keys: readonly unknown[] = [],
): Paged<T> {
  const [trail, setTrail] = useState<readonly (string | undefined)[]>([undefined]);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) setTrail([undefined]);
    first.current = false;
  }, keys);
  const resource = useResource(() => read(trail[trail.length - 1]), [...keys, trail]);
  const cursor = resource.data?.next_cursor ?? undefined;
  return {
    ...resource,
    number: trail.length,
    previous: trail.length > 1 ? () => setTrail(trail.slice(0, -1)) : null,
    next: cursor !== undefined ? () => setTrail([...trail, cursor]) : null,
  };
}

/** Every so many milliseconds while the component is shown and the page is seen. */
export function useInterval(then: () => void, everyMs: number): void {
  const latest = useRef(then);
  latest.current = then;
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) latest.current();
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
}
