/**
 * What happens, as it happens: the server's events, without gap or repeat over lost lines and restarts.
 *
 * Read by `fetch` and not by EventSource: so the signs of life are heard that tell a silent line from a dead one, a
 * refusal is understood, and tunnels get the header that they want. A page that nobody sees gives its place back.
 */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { TUNNEL_HEADERS } from "../api";
import type { components } from "../generated/messages";
import { Backoff } from "../link/backoff";
import { MessageReader, type Message } from "./sse";

export type Event = components["schemas"]["Event"];
export type ServerStatus = components["schemas"]["StatusNotice"];
export type LiveState = "off" | "connecting" | "live" | "waiting";
type Handler = (event: Event) => void;

// The server says something every 15 seconds.
const SILENCE_MS = 40_000;
const HIDDEN_MS = 60_000;

export class LiveEvents {
  readonly state = signal<LiveState>("off");
  /** When it is tried again (ms since 1970), while the state is `waiting`. */
  readonly retryAt = signal(0);
  /** How the server says it is. */
  readonly server = signal<ServerStatus | null>(null);
  /** Grows when lists have to be read anew, because something may have been missed: at the first connection, after a gap. */
  readonly epoch = signal(0);
  private readonly handlers = new Map<string, Set<Handler>>();
  private lastId: string | null = null;
  private run: AbortController | null = null;
  private wake: (() => void) | null = null;

  constructor(
    private readonly signedOut: () => void,
    private readonly backoff = new Backoff(),
    private readonly open: typeof fetch = (...given) => fetch(...given),
  ) {}

  /** Call a function with every event of a type; `*` is all. The answer ends it. */
  on(type: string, handler: Handler): () => void {
    const those = this.handlers.get(type) ?? new Set();
    this.handlers.set(type, those.add(handler));
    return () => void those.delete(handler);
  }

  start(): void {
    if (this.run !== null) return;
    this.run = new AbortController();
    void this.follow(this.run.signal);
  }

  stop(): void {
    this.run?.abort();
    this.run = null;
    this.state.value = "off";
  }

  /** Forget where it was, because somebody else may sign in next. */
  forget(): void {
    this.stop();
    this.lastId = null;
    this.server.value = null;
  }

  /** Try now what would be tried later. */
  tryNow(): void {
    this.backoff.reset();
    this.wake?.();
  }

  private async follow(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      this.state.value = "connecting";
      try {
        await this.read(stopped);
      } catch {
        // Whatever it was: it is tried again, and the page says that it is not live.
      }
      // Changed by stop(), which the compiler does not see.
      if ((stopped as { aborted: boolean }).aborted) return;
      const waitMs = this.backoff.next();
      this.retryAt.value = Date.now() + waitMs;
      this.state.value = "waiting";
      await new Promise<void>((done) => {
        const timer = setTimeout(done, waitMs);
        this.wake = () => {
          clearTimeout(timer);
          done();
        };
        stopped.addEventListener("abort", this.wake, { once: true });
      });
      this.wake = null;
    }
  }

  private async read(stopped: AbortSignal): Promise<void> {
    const line = new AbortController();
    const cut = () => line.abort();
    stopped.addEventListener("abort", cut, { once: true });
    let silence = setTimeout(cut, SILENCE_MS);
    try {
      const headers: Record<string, string> = { ...TUNNEL_HEADERS, Accept: "text/event-stream" };
      const goesOn = this.lastId !== null;
      if (this.lastId !== null) headers["Last-Event-ID"] = this.lastId;
      const response = await this.open("/api/v1/events", {
        headers, signal: line.signal, cache: "no-store", credentials: "same-origin",
      });
      if (response.status === 401) {
        this.signedOut();
        return;
      }
      const type = response.headers.get("Content-Type") ?? "";
      if (!response.ok || !response.body || !type.startsWith("text/event-stream")) throw new Error("no events");
      this.state.value = "live";
      this.backoff.reset();
      if (!goesOn) this.epoch.value += 1;
      const reader = new MessageReader();
      const decoder = new TextDecoder();
      const body = response.body.getReader();
      for (;;) {
        const { done, value } = await body.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(cut, SILENCE_MS);
        for (const message of reader.feed(decoder.decode(value, { stream: true }))) this.take(message);
      }
    } finally {
      clearTimeout(silence);
      stopped.removeEventListener("abort", cut);
      line.abort();
    }
  }

  private take(message: Message): void {
    let said: unknown;
    try {
      said = JSON.parse(message.data);
    } catch {
      return;
    }
    if (message.type === "status") this.server.value = said as ServerStatus;
    else if (message.type === "gap") this.epoch.value += 1;
    else if (message.id !== null) {
      this.lastId = message.id;
      const event = said as Event;
      for (const type of [event.type, "*"]) for (const handler of this.handlers.get(type) ?? []) handler(event);
    }
  }
}

/** Go with the page: a place is given back while nobody looks, and taken again at once. */
export function followVisibility(live: LiveEvents, document: Document, wanted: () => boolean): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const changed = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => live.stop(), HIDDEN_MS);
    else if (wanted()) {
      live.start();
      live.tryNow();
    }
  };
  document.addEventListener("visibilitychange", changed);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", changed);
  };
}

/** In a component: call a function with the events of these types while it is shown. */
export function useEvents(live: LiveEvents, types: readonly string[], handler: Handler): void {
  const latest = useRef(handler);
  latest.current = handler;
  const key = types.join(" ");
  useEffect(() => {
    const ends = key.split(" ").map((type) => live.on(type, (event) => latest.current(event)));
    return () => ends.forEach((end) => end());
  }, [live, key]);
}
