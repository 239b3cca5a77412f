/** Small pictures of what a camera sees, a few in a minute, and none while nobody looks. */
import { signal } from "@preact/signals";
import { TUNNEL_HEADERS } from "../../../api";

export type GlanceState = "paused" | "waiting" | "picture" | "none" | "forbidden";

const EVERY_MS = 2500;
const AGAIN_MS = 10_000;
const TIMEOUT_MS = 8000;

export class Glance {
  readonly state = signal<GlanceState>("paused");
  /** An address of this page alone; it is given back when the next one is there. */
  readonly source = signal<string | null>(null);
  private timer: ReturnType<typeof setTimeout> | null = null;
  private abort: AbortController | null = null;

  constructor(
    private readonly cameraId: string,
    private readonly ask: typeof fetch = (...given) => fetch(...given),
  ) {}

  start(): void {
    if (this.timer !== null || this.abort !== null || this.state.value === "forbidden") return;
    if (this.state.value === "paused") this.state.value = this.source.value === null ? "waiting" : "picture";
    void this.look();
  }

  pause(): void {
    this.cancel();
    if (this.state.value !== "forbidden") this.state.value = "paused";
  }

  end(): void {
    this.cancel();
    this.show(null);
  }

  private cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.abort?.abort();
    this.abort = null;
  }

  private show(picture: Blob | null): void {
    const before = this.source.value;
    this.source.value = picture && URL.createObjectURL(picture);
    if (before !== null) URL.revokeObjectURL(before);
  }

  private async look(): Promise<void> {
    const abort = (this.abort = new AbortController());
    const timeout = setTimeout(() => abort.abort(), TIMEOUT_MS);
    let waitMs = AGAIN_MS;
    try {
      const response = await this.ask(`/api/v1/cameras/${encodeURIComponent(this.cameraId)}/frame`, {
        headers: TUNNEL_HEADERS, cache: "no-store", credentials: "same-origin", signal: abort.signal,
      });
      if (response.ok) {
        this.show(await response.blob());
        this.state.value = "picture";
        waitMs = EVERY_MS;
      } else {
        this.show(null);
        this.state.value = response.status === 403 ? "forbidden" : "none";
        if (response.status === 403) waitMs = 0;
      }
    } catch {
      if (this.abort === abort) {
        this.show(null);
        this.state.value = "none";
      }
    } finally {
      clearTimeout(timeout);
    }
    // Paused or ended meanwhile.
    if (this.abort !== abort) return;
    this.abort = null;
    if (waitMs === 0) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.look();
    }, waitMs);
  }
}
